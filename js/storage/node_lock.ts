// One writer or several readers of a directory, over processes and threads, from node:fs.
//
// Node has no file locks. Every holder makes an empty file of its own, whose name says everything:
//
//     .lock.write.<pid>.<thread>.<start of the process>.<host>.<random>
//
// and then looks at all of them: where a living one is in the way it takes its own back. Each makes
// its file before it looks, so that of two who come together at least one sees the other; both may
// step back, and try again after a random wait. Names are never used twice, so that anybody may
// remove the file of a holder that is gone.
//
// Gone is: a process of this host that does not exist, or that began at another time (Linux). Of
// another host, or another thread of this process, nothing is known but that it touches its file
// every ten seconds: it is gone when it has not for two minutes.
//
// The same is known, and no more, where nobody may be asked: Deno without --allow-run.
//
// The native library holds flock() on the file "lock", which Linux shows in /proc/locks, and looks at
// these files after it has taken that (src/platform/io_posix_claims.c).

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { threadId } from 'node:worker_threads';

import { StorageFault } from './backend.ts';

const PREFIX = '.lock.';
const HEARTBEAT_MS = 10_000;
const SILENT_MS = 120_000;

interface Claim {
  readonly file: string;
  readonly isExclusive: boolean;
  readonly pid: number;
  readonly thread: number;
  readonly start: string;
  readonly host: string;
}

/**
 * This machine's name. Where nobody may ask for it (Deno without --allow-sys) it is one that no
 * other holder has: then all of them are of another host.
 */
function ownHost(): string {
  try {
    return plain(os.hostname()) || 'unknown';
  } catch {
    return `unknown-${randomBytes(4).toString('hex')}`;
  }
}

/** The name of a host as files spell it. */
const plain = (name: string): string => name.slice(0, 60).replace(/[^A-Za-z0-9-]/g, '_');

const host = ownHost();

/** When a process began, in ticks since the start of the system; '' where nobody says. */
function startOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in parentheses that may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** undefined: nobody may ask (Deno without --allow-run). */
function isRunning(pid: number): boolean | undefined {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    return code === 'ESRCH' ? false : code === 'EPERM' ? true : undefined;
  }
}

function parse(file: string): Claim | undefined {
  const match = /^\.lock\.(write|read)\.(\d+)\.(\d+)\.(\d*)\.([A-Za-z0-9_-]+)\.[0-9a-f]+$/.exec(
    file,
  );
  if (!match) return undefined;
  const [, kind, pid, thread, start = '', name = ''] = match;
  return {
    file,
    isExclusive: kind === 'write',
    pid: Number(pid),
    thread: Number(thread),
    start,
    host: name,
  };
}

export class DirectoryLock {
  readonly isExclusive: boolean;
  readonly #file: string;
  readonly #heartbeat: ReturnType<typeof setInterval>;

  private constructor(file: string, isExclusive: boolean) {
    this.#file = file;
    this.isExclusive = isExclusive;
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      fs.utimes(file, now, now, () => {});
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** Whether a file of the directory is a lock and not a stream. */
  static owns(file: string): boolean {
    return file === 'lock' || file.startsWith(PREFIX);
  }

  /** Waits at most `timeoutMs` for others to let go; BUSY names who did not. */
  static async take(
    directory: string,
    isExclusive: boolean,
    timeoutMs: number,
  ): Promise<DirectoryLock> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const taken = tryTake(directory, isExclusive);
      if (typeof taken === 'string') {
        return new DirectoryLock(path.join(directory, taken), isExclusive);
      }
      if (performance.now() >= until) throw busy(directory, taken);
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 45));
    }
  }

  release(): void {
    clearInterval(this.#heartbeat);
    try {
      fs.unlinkSync(this.#file);
    } catch {
      // The directory may be gone, and the lock with it.
    }
  }
}

/** The name of the file that was made, or who is in the way. */
function tryTake(directory: string, isExclusive: boolean): string | Claim {
  const file = [
    `${PREFIX}${isExclusive ? 'write' : 'read'}`,
    process.pid,
    threadId,
    startOf(process.pid),
    host,
    randomBytes(6).toString('hex'),
  ].join('.');
  const full = path.join(directory, file);
  try {
    fs.closeSync(fs.openSync(full, 'wx', 0o666));
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    // Who may not write may read: a writer's file still stands in the way.
    const forbidden = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    if (!forbidden || isExclusive) throw cause;
    return inTheWay(directory, file, isExclusive, Date.now()) ?? file;
  }
  let isTaken = false;
  try {
    const other = inTheWay(directory, file, isExclusive, fs.statSync(full).mtimeMs);
    isTaken = other === undefined;
    return other ?? file;
  } finally {
    if (!isTaken) fs.unlinkSync(full);
  }
}

/** `now` is the file system's time, which may differ from this machine's. */
function inTheWay(
  directory: string,
  own: string,
  isExclusive: boolean,
  now: number,
): Claim | undefined {
  for (const file of fs.readdirSync(directory)) {
    if (file === own) continue;
    const claim = parse(file);
    if (!claim || (!isExclusive && !claim.isExclusive)) continue;
    if (isAlive(directory, claim, now)) return claim;
    fs.rmSync(path.join(directory, file), { force: true });
  }
  return nativeHolder(directory, isExclusive);
}

function isAlive(directory: string, claim: Claim, now: number): boolean {
  if (claim.host === host) {
    const running = isRunning(claim.pid);
    if (running === false) return false;
    const start = startOf(claim.pid);
    if (start !== '' && claim.start !== '' && start !== claim.start) return false;
    if (running && (claim.pid !== process.pid || claim.thread === threadId)) return true;
  }
  try {
    return now - fs.statSync(path.join(directory, claim.file)).mtimeMs < SILENT_MS;
  } catch {
    return false;
  }
}

/** The locks that Linux knows; undefined where it is another system, or nobody may ask. */
function systemLocks(): string | undefined {
  try {
    return fs.readFileSync('/proc/locks', 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * The native library's holder. It empties its file "lock" when it lets go; one that was killed has
 * not. Where the system's locks are not to be seen, a holder that may be running is one.
 */
function nativeHolder(directory: string, isExclusive: boolean): Claim | undefined {
  const file = path.join(directory, 'lock');
  const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  if (!found) return undefined;
  const line = /^(write|read) (\d+) \S+ (\S+)/.exec(fs.readFileSync(file, 'latin1'));
  if (!line) return undefined;
  const holder = {
    file: 'lock',
    isExclusive: line[1] === 'write',
    pid: Number(line[2]),
    thread: 0,
    start: '',
    host: plain(line[3]!),
  };
  const locks = systemLocks();
  if (locks === undefined) {
    const isGone = holder.host === host && isRunning(holder.pid) === false;
    return !isGone && (isExclusive || holder.isExclusive) ? holder : undefined;
  }
  for (const entry of locks.split('\n')) {
    const match = /FLOCK\s+\S+\s+(READ|WRITE)\s+(\d+)\s+\S+:\S+:(\d+)\s/.exec(entry);
    if (!match || match[3] !== String(found.ino) || match[2] !== line[2]) continue;
    if (isExclusive || match[1] === 'WRITE') return holder;
  }
  return undefined;
}

function busy(directory: string, claim: Claim): StorageFault {
  const own = claim.host === host && claim.pid === process.pid ? ' (this one)' : '';
  return new StorageFault(
    'BUSY',
    `${directory}: already open for ${claim.isExclusive ? 'writing' : 'reading'} by process ` +
      `${claim.pid}${own} on ${claim.host}; its lock is the file ${claim.file}`,
  );
}
