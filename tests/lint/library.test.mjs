// What the library's rooms may not do: print, end the process, install handlers, or allocate
// behind the allocator that they were given. Variable-length arrays are the compiler's to refuse.

import { test } from 'node:test';
import { isC } from '../../scripts/lib/files.mjs';
import { allocatorFiles, libraryRooms } from './include_table.mjs';
import { assertNone, files, findLines, read, roomOf, withoutComments } from './source.mjs';

const sources = files.filter((file) => isC(file) && libraryRooms.includes(roomOf(file)));
const calls = (pattern, accept = () => true) =>
  sources.filter(accept).flatMap((file) => findLines(file, withoutComments(read(file)), pattern));

test('the library does not print', () => {
  const prints = /(?<![\w.>])(v?f?printf|v?dprintf|f?puts|f?putc|putchar|perror|psignal)\s*\(/;
  assertNone(calls(prints));
});

test('the library does not end the process or handle its signals', () => {
  const ends = /(?<![\w.>])(abort|exit|_exit|_Exit|quick_exit|atexit|signal|sigaction|raise)\s*\(/;
  assertNone(calls(ends));
});

test('the library uses no alloca and no locale-dependent or unbounded text function', () => {
  const unsafe = /(?<![\w.>])(alloca|setlocale|strtok|sprintf|vsprintf|gets)\s*\(/;
  assertNone(calls(unsafe));
});

test('the library allocates through its allocator only', () => {
  const allocates =
    /(?<![\w.>])(malloc|calloc|realloc|free|strn?dup|aligned_alloc|posix_memalign)\s*\(/;
  assertNone(calls(allocates, (file) => !allocatorFiles.includes(file)));
});
