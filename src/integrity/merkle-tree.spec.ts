import { createHash } from 'node:crypto';
import { MerkleTree } from './merkle-tree.js';

/** The customary leaves of Certificate Transparency's tests, and the roots over the first n of them. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** RFC 6962, section 2.1, word by word. */
function plainRoot(leaves: readonly Buffer[]): Buffer {
  const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!);
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return sha256(Buffer.of(1), plainRoot(leaves.slice(0, k)), plainRoot(leaves.slice(k)));
}

describe('the Merkle tree', () => {
  it('has the roots of the published vectors', () => {
    const tree = new MerkleTree();
    expect(tree.root().toString('hex')).toBe(ROOTS[0]);
    LEAVES.forEach((leaf, i) => {
      tree.append(plainRoot([Buffer.from(leaf, 'hex')]));
      expect(tree.root().toString('hex')).toBe(ROOTS[i + 1]);
    });
  });

  it('agrees with the definition at every size', () => {
    const tree = new MerkleTree();
    const leaves: Buffer[] = [];
    for (let size = 0; size < 300; size++) {
      expect(tree.size).toBe(size);
      expect(tree.root().equals(plainRoot(leaves))).toBe(true);
      const leaf = createHash('sha256').update(String(size)).digest();
      leaves.push(leaf);
      tree.append(plainRoot([leaf]));
    }
  });
});
