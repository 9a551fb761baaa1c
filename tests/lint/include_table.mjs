// Who may include whom: the table of the architecture, as data.

/**
 * What a room of src/ may include beside its own files and veer.h. A name is a whole room, a path
 * one header of a room. `cli`, `server` and `pg` include veer.h only, `wasm` also the header that
 * makes its I/O table.
 */
export const rooms = {
  base: [],
  platform: ['base'],
  kernels: ['base', 'platform/cpu.h'],
  math: ['base', 'kernels'],
  quant: ['base', 'kernels', 'math'],
  index: ['base', 'kernels', 'math', 'quant', 'platform/thread.h'],
  text: ['base'],
  filter: ['base'],
  time: ['base', 'math'],
  storage: ['base', 'platform'],
  engine: ['base', 'platform', 'quant', 'index', 'text', 'filter', 'time', 'storage'],
  cli: [],
  server: [],
  pg: [],
  wasm: ['platform/io.h'],
};

/** Third-party and platform headers, by pattern, and the rooms that may include them. */
export const systemHeaders = [
  { pattern: /^(zstd|zdict|zstd_errors)\.h$/, rooms: ['storage'] },
  { pattern: /^yyjson\.h$/, rooms: ['engine', 'filter'] },
  { pattern: /^roaring\//, rooms: ['filter'] },
  { pattern: /^sys\/mman\.h$/, rooms: ['base', 'platform'] },
  {
    pattern: /^(unistd|fcntl|dirent|pthread|threads|sched|poll|signal|termios)\.h$|^sys\//,
    rooms: ['platform', 'cli', 'server', 'pg'],
  },
  {
    pattern: /^(\w*intrin|wasm_simd128|arm_neon|arm_acle|cpuid)\.h$/,
    rooms: ['kernels', 'platform', 'base'],
  },
  { pattern: /^emscripten/, rooms: ['wasm', 'platform'] },
];

/** The rooms that are the library: nothing in them may print, abort, exit or allocate by itself. */
export const libraryRooms = Object.keys(rooms).filter(
  (room) => !['cli', 'server', 'pg'].includes(room),
);

/**
 * The files that call the C library's allocator: the default one, CRoaring's, and the module's shim,
 * which stands in the place of the user's program.
 */
export const allocatorFiles = [
  'src/base/memory.c',
  'src/filter/bitmap_memory.c',
  'wasm/veer_wasm.c',
];
