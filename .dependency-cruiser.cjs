/**
 * The walls of src/README.md, checked by `npm run walls`: which room may import which, types included.
 *
 * Each row lists the rooms right below; what those may import follows, so arrows are transitive. A room without a row is a
 * violation, and so is an arrow that points back: the table itself is refused when it has a cycle.
 */
const ROOMS = {
  'engine/base': [],
  'engine/crypto': ['engine/base'],
  'engine/records': ['engine/base'],
  'engine/bitcoin': ['engine/crypto'],
  'engine/noise': ['engine/crypto'],
  'engine/revocation': ['engine/crypto'],
  'engine/wire': ['engine/bitcoin'],
  'engine/onion': ['engine/wire'],
  'engine/offer': ['engine/onion'],
  'engine/invoice': ['engine/offer'],
  'engine/chain': ['engine/bitcoin', 'engine/records'],
  'engine/wallet': ['engine/bitcoin', 'engine/records'],
  'engine/commitment': ['engine/wire', 'engine/revocation'],
  'engine/channel': ['engine/commitment', 'engine/records'],
  'engine/onchain': ['engine/commitment', 'engine/records'],
  'engine/router': ['engine/onion', 'engine/chain'],
  'engine/payment': ['engine/invoice', 'engine/records', 'engine/router'],
  'engine/switch': ['engine/onion', 'engine/records'],
  'engine/node': [
    'engine/noise',
    'engine/chain',
    'engine/wallet',
    'engine/channel',
    'engine/onchain',
    'engine/payment',
    'engine/router',
    'engine/switch',
  ],
  'engine/exit': ['engine/node'],
  contract: ['engine/base'],
  host: ['engine/node', 'engine/exit', 'contract'],
  // A page of its own, which must outlive everything else: it opens sealed files and asks nobody.
  exit: ['host'],
  worker: ['host'],
  ui: ['contract'],
  gateway: [],
  playground: ['gateway', 'host', 'testing/ldk'],
  // A third-party node in a test: it knows nothing of ours, so that it cannot share our mistakes.
  'testing/ldk': [],
  // Tools and tests of the whole: they may look into every room.
  testing: ['playground', 'worker', 'ui', 'exit', 'testing/ldk'],
}

/** What these may import ends with their row: the user interface knows the engine by the contract alone, not even its units. */
const SEALED = ['ui']

/** Packages each place may import. Production code never imports a development dependency. */
const PACKAGES = {
  engine: ['@noble/', '@scure/', '@msgpack/msgpack'],
  contract: ['valibot'],
  host: ['@bitauth/libauth', '@noble/'],
  worker: ['idb', 'valibot'],
  gateway: ['ws'],
}

/** Tests, and what they have a browser load. */
const TEST = '[.](test|page)[.]tsx?$'
/** What tests of a room share. It keeps the room's walls and is never imported by what ships. */
const FIXTURE = '/(testkit/.+|fixture[^/]*|testing)[.]ts$'
/** The files of `host` that exist only in Node. */
const NODE_ONLY = '[.]node[.]ts$'

/** @param {string} room @param {string[]} path @returns {Set<string>} */
function below(room, path = []) {
  if (path.includes(room)) throw new Error(`The table of rooms has a cycle: ${[...path, room].join(' → ')}`)
  if (!(room in ROOMS)) throw new Error(`${path.at(-1)} may import ${room}, which is no room`)
  return new Set(ROOMS[room].flatMap((next) => [next, ...below(next, [...path, room])]))
}

const inside = (rooms) => `^src/(${rooms.join('|')})/`
const packages = (names) => `(^|/)node_modules/(${names.join('|')})`
/** `testing` holds a room of its own. */
const besides = (room) => (room === 'testing' ? [inside(['testing/ldk'])] : [])

const roomRules = Object.keys(ROOMS).flatMap((room) => {
  const open = [room, ...(SEALED.includes(room) ? ROOMS[room] : below(room))]
  const own = besides(room)
  return [
    {
      name: `walls-${room.replace('/', '-')}`,
      comment: `${room} may import ${open.length === 1 ? 'no other room' : open.slice(1).join(', ')}.`,
      severity: 'error',
      from: { path: inside([room]), pathNot: [TEST, ...own] },
      to: { path: '^src/', pathNot: inside(open) },
    },
    {
      name: `walls-${room.replace('/', '-')}-tests`,
      comment: `Tests of ${room} may import, besides: testing, and the servers they run against (playground, gateway).`,
      severity: 'error',
      from: { path: `${inside([room])}.*${TEST}`, pathNot: own },
      to: { path: '^src/', pathNot: inside([...open, 'testing', 'playground', 'gateway']) },
    },
  ]
})

const packageRules = Object.entries(PACKAGES).map(([place, names]) => ({
  name: `packages-${place}`,
  comment: `${place} may import these packages only: ${names.join(', ')}.`,
  severity: 'error',
  from: { path: `^src/${place}/`, pathNot: [TEST, NODE_ONLY] },
  to: { path: 'node_modules/', pathNot: packages(names) },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Files import each other in a circle, if only for a type. Move what both need below them.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'penalty-keys-in-the-signer',
      comment:
        'The secret key of a penalty gives a basepoint away: only the signer makes it, and it stays there.',
      severity: 'error',
      from: { path: '^src/', pathNot: [TEST, '^src/engine/commitment/signer[.]ts$'] },
      to: { path: '^src/engine/revocation/penalty-key[.]ts$' },
    },
    {
      name: 'no-unknown-rooms',
      comment: 'A folder without a row in the table of rooms: add it here and in src/README.md.',
      severity: 'error',
      from: { path: '^src/', pathNot: inside(Object.keys(ROOMS)) },
      to: {},
    },
    {
      name: 'no-barrels',
      comment: 'An index file gathers a room into one arrow and hides what is used. Import the file itself.',
      severity: 'error',
      from: { path: '^src/.*/index[.]tsx?$' },
      to: {},
    },
    {
      name: 'no-unresolvable',
      comment: 'Imports something that is not there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-tests-in-production',
      comment: 'What ships imports a test or a fixture of one.',
      severity: 'error',
      from: { path: '^src/', pathNot: [TEST, FIXTURE, '^src/testing/'] },
      to: { path: [TEST, FIXTURE] },
    },
    {
      name: 'no-dev-packages-in-production',
      comment: 'What ships imports a development dependency: `npm ci --omit=dev` must do for it.',
      severity: 'error',
      from: { path: '^src/', pathNot: [TEST, FIXTURE, '^src/testing/(?!ldk/)'] },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm'] },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'Imports a package that package.json does not name.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-node-in-the-browser',
      comment: 'Node modules exist in Node only; in host, in files named *.node.ts.',
      severity: 'error',
      from: {
        path: inside(['engine', 'contract', 'host', 'worker', 'ui', 'exit']),
        pathNot: [TEST, NODE_ONLY],
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-node-files-in-the-browser',
      comment: 'The browser imports a file that exists in Node only.',
      severity: 'error',
      from: { path: '^src/(worker|ui|host|exit)/', pathNot: [TEST, NODE_ONLY] },
      to: { path: NODE_ONLY },
    },
    ...roomRules,
    ...packageRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '[.](html|css|json|svg|png|wasm)$' },
    // Type-only imports are arrows too, and type-only cycles are cycles.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.cjs', '.d.ts'],
    },
  },
}
