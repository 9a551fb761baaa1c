// What differs between runtimes: where the module comes from, which kinds of storage there are, and
// how a worker is started. One object a runtime (platform_node.ts, platform_browser.ts, ...), given
// to makeApi, so that no shared file names another runtime's modules.

import { VeerError } from './errors.ts';
import type { Location } from './locations.ts';
import type { Backend } from './storage/backend.ts';

export interface StorageRequest {
  readonly create: boolean;
  readonly readonly: boolean;
  readonly lockTimeoutMs: number;
}

export interface OpenedStorage {
  readonly backend: Backend;
  /** The packed stream in it that is the database; '' where its streams are. */
  readonly packed: string;
}

/** Where a packed file is written, as the stream `name` of a backend of its own. */
export interface PackedTarget {
  readonly backend: Backend;
  readonly name: string;
  /** The written bytes, piece by piece; for exports. */
  read(): AsyncIterable<Uint8Array<ArrayBuffer>> | Iterable<Uint8Array<ArrayBuffer>>;
  /** Removes it. */
  discard(): Promise<void>;
}

/** A worker that runs worker.ts. */
export interface WorkerPeer {
  post(message: unknown, transfer: readonly MessagePort[]): void;
  /** Called when the worker has failed or ended. */
  onFailure(listener: (reason: string) => void): void;
  terminate(): void;
  /** Keeps the process alive, or no longer. */
  hold(isHeld: boolean): void;
}

export interface Platform {
  readonly name: string;
  /** Whether databases run in a worker of their own where the caller says nothing. */
  readonly prefersWorker: boolean;
  /** The package's own, for relaxed SIMD or without it. */
  loadModule(isRelaxed: boolean): Promise<WebAssembly.Module>;
  /** The bytes or the module at an address that the caller gave to `init`. */
  fetchBytes(url: string): Promise<Uint8Array<ArrayBuffer>>;
  openStorage(location: Location, request: StorageRequest): Promise<OpenedStorage>;
  /** A new packed file; EXISTS where there is something already. */
  openTarget(location: Location): Promise<PackedTarget>;
  /** Room for a packed file until it has been read, beside the database where that has its place. */
  openScratch(location: Location): Promise<PackedTarget>;
  remove(location: Location): Promise<void>;
  /** undefined: the package's own worker script. */
  startWorker(script: string | undefined): WorkerPeer;
  wrapWorker(worker: object): WorkerPeer;
}

export function unsupported(location: Location, platform: string): VeerError {
  const instead: Record<Location['kind'], string> = {
    memory: '',
    opfs: "the origin private file system is a browser's; use a path here",
    idb: "IndexedDB is a browser's; use a path here",
    path: "there are no files here; use 'opfs://name', 'idb://name' or 'memory:'",
  };
  const elsewhere = "there is no storage here; use 'memory:', or open the bytes of a packed file";
  const text = platform === 'workerd' ? elsewhere : instead[location.kind];
  return new VeerError('UNSUPPORTED', `${location.text}: ${text}`);
}
