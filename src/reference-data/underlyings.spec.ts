import { parseUnderlyings } from './underlyings.js';

it('reads ISINs and indices, and nothing else', () => {
  expect(parseUnderlyings('DE0007164600 index:EURI@6MNTH index:DE0008469008 index:My_Index')).toEqual([
    { is: 'instrument', isin: 'DE0007164600' },
    { is: 'index', name: 'EURI', term: { value: '6', unit: 'MNTH' } },
    { is: 'index', isin: 'DE0008469008' },
    { is: 'index', name: 'My Index' },
  ]);
  const wrong = ['', 'DE0007164601', 'index:', 'index:EURI@0MNTH', 'index:EURI@6', 'DE0007164600  index:EURI'];
  expect(wrong.filter((text) => parseUnderlyings(text) !== undefined)).toEqual([]);
});
