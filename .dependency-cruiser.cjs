// Features first; dependencies point inwards to integrity/.
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'integrity-is-pure',
      comment: 'integrity/ runs offline in a verifier: nothing of ours, no Nest, no database',
      severity: 'error',
      from: { path: '^src/integrity/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(src/(?!integrity/)|node_modules/)' },
    },
    {
      name: 'bundles-are-checked-by-an-outsider',
      comment:
        'what verifies bundles (level 4) knows public keys and a file: no database, no store, nothing else of ours',
      severity: 'error',
      from: { path: '^src/evidence/bundle-check-worker\\.ts$' },
      to: { reachable: true, path: '^(src/(?!integrity/|threads/tenancy\\.ts|verify/)|node_modules/)' },
    },
    {
      name: 'sql-is-private',
      comment: "another feature's SQL is private to it",
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^src/([^/]+)/.*\\.sql\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'config-is-a-leaf',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/(?!config/|integrity/)' },
    },
    {
      name: 'database-below-features',
      severity: 'error',
      from: { path: '^src/database/' },
      to: { path: '^src/(?!database/|config/|integrity/)' },
    },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
