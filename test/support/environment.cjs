const vm = require('node:vm');
const { ModuleMocker } = require('jest-mock');

/** Stands where Jest asks for a context: modules that are compiled for it run in the worker's own realm. */
const OWN_REALM = Object.freeze({});

/**
 * Jest compiles the modules of each test file for a context of `node:vm`. Here they run where Node itself runs, so that
 * they can share what runtime.cjs loads once a worker, and values of both are of the same classes.
 */
function compileInOwnRealm() {
  const { SourceTextModule, SyntheticModule, compileFunction } = vm;
  if (SourceTextModule.isOfOwnRealm) return;
  const without = (name, options) => (options?.[name] === OWN_REALM ? { ...options, [name]: undefined } : options);
  vm.SourceTextModule = class extends SourceTextModule {
    static isOfOwnRealm = true;
    constructor(code, options) {
      super(code, without('context', options));
    }
  };
  vm.SyntheticModule = class extends SyntheticModule {
    constructor(names, evaluate, options) {
      super(names, evaluate, without('context', options));
    }
  };
  vm.compileFunction = (code, parameters, options) =>
    compileFunction(code, parameters, without('parsingContext', options));
}

/** What a test file leaves in the globals and in process.env ends with it. */
class Kept {
  globals = new Map(Reflect.ownKeys(globalThis).map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)]));
  variables = { ...process.env };
  exit = process.exit;

  restore() {
    for (const key of Reflect.ownKeys(globalThis)) if (!this.globals.has(key)) Reflect.deleteProperty(globalThis, key);
    for (const [key, descriptor] of this.globals) {
      if (descriptor.configurable) Object.defineProperty(globalThis, key, descriptor);
    }
    for (const name of Object.keys(process.env)) if (!(name in this.variables)) delete process.env[name];
    Object.assign(process.env, this.variables);
    process.exit = this.exit;
  }
}

module.exports = class {
  kept = new Kept();
  global = globalThis;
  moduleMocker = new ModuleMocker(globalThis);
  fakeTimers = null; // no test has them
  fakeTimersModern = null;

  constructor() {
    compileInOwnRealm();
  }

  async setup() {}

  async teardown() {
    this.kept.restore();
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  getVmContext() {
    return OWN_REALM;
  }
};
