const { createRequire } = require('node:module');
const { sep } = require('node:path');
const { types } = require('node:util');
const vm = require('node:vm');
const Runtime = require('jest-runtime').default;

const requireNatively = createRequire(__filename);
const PACKAGES = `${sep}node_modules${sep}`;
/** One that awaits at its top level, which Node does not give to who requires it. */
const AWAITED = `${PACKAGES}libxml2-wasm${sep}`;
const isPackage = (path) => path.includes(PACKAGES) && !path.includes(AWAITED);

/**
 * Jest's runtime, that has packages loaded by Node itself, once a worker: each test file would load the 1,500 modules of
 * Nest, TypeORM and the AWS SDK anew otherwise, which takes longer than most of them. Modules of our own are each file's.
 */
module.exports = class extends Runtime {
  constructor(...args) {
    super(...args);
    const { esmLoader } = this;
    const { buildCjsAsEsmSyntheticModule } = esmLoader;
    esmLoader.buildCjsAsEsmSyntheticModule = function (from, path, context) {
      return isPackage(path) ? natively(path, context) : buildCjsAsEsmSyntheticModule.call(this, from, path, context);
    };
  }

  unstable_shouldLoadAsEsm(path) {
    return !isPackage(path) && super.unstable_shouldLoadAsEsm(path);
  }
};

/** A package's module as one that ours can import, with the names that Node gives it. */
function natively(path, context) {
  const exported = requireNatively(path);
  const isNamespace = types.isModuleNamespaceObject(exported);
  const isRecord = exported !== null && (typeof exported === 'object' || typeof exported === 'function');
  const names = isRecord ? Object.keys(exported).filter((name) => name !== 'default' && name !== 'module.exports') : [];
  return new vm.SyntheticModule(
    [...names, 'default', 'module.exports'],
    function () {
      for (const name of names) this.setExport(name, exported[name]);
      this.setExport('default', isNamespace ? exported.default : exported);
      this.setExport('module.exports', exported);
    },
    { context, identifier: path },
  );
}
