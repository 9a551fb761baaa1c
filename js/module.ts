// The compiled module: loaded once an API, checked before it is compiled. The package has two, of the
// same sources: veer-relaxed.wasm scans codes faster where the engine has relaxed SIMD. Both give the
// same bits, so which one was loaded is nobody's concern, and veer.wasm takes the place of the other
// where that is missing.

import type { InitOptions } from '../types/options.d.ts';
import { VeerError, typeError } from './errors.ts';
import type { Platform } from './platform.ts';

/** Fails with what to do where bytes are no WebAssembly module. */
export function expectModule(bytes: Uint8Array, from: string): void {
  if (bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d) return;
  const start = new TextDecoder().decode(bytes.subarray(0, 64)).trim();
  const what = /^<(?:!doctype|html)/i.test(start)
    ? 'an HTML page came instead, as servers and bundlers answer for files that they do not have'
    : `it begins with ${JSON.stringify(start.slice(0, 16))}`;
  throw new VeerError(
    'UNSUPPORTED',
    `${from} is no WebAssembly module: ${what}. Serve veerdb/veer.wasm there, or say where it is: ` +
      "import url from 'veerdb/veer.wasm?url'; await init({url}) (see docs/API.md)",
  );
}

export async function compile(
  bytes: Uint8Array<ArrayBuffer>,
  from: string,
): Promise<WebAssembly.Module> {
  expectModule(bytes, from);
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new VeerError(
      'UNSUPPORTED',
      `${from} does not compile here (WebAssembly with SIMD and 64-bit arguments is needed: ` +
        `Chrome 91, Firefox 89, Safari 16.4, Node 20): ${String(cause)}`,
      { cause },
    );
  }
}

/** A module of one function: i8x16.relaxed_swizzle of its two parameters. */
const RELAXED_PROBE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 7, 1, 0x60, 2, 0x7b, 0x7b, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 11, 1, 9, 0, 0x20, 0, 0x20, 1, 0xfd, 0x80, 0x02, 0x0b],
);

const hasRelaxedSimd = (): boolean => WebAssembly.validate(RELAXED_PROBE);

const SIMD = ['auto', 'simd128', 'relaxed'];

export class ModuleSource {
  readonly #platform: Platform;
  #options: InitOptions = {};
  #module: Promise<WebAssembly.Module> | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Takes the caller's source, for what is loaded from now on. */
  set(options: InitOptions): void {
    if (options === null || typeof options !== 'object') {
      throw typeError('options', options, 'an object');
    }
    const { simd } = options;
    if (simd !== undefined && !SIMD.includes(simd)) {
      throw typeError('simd', simd, "'auto', 'simd128' or 'relaxed'");
    }
    if (options.module ?? options.url ?? options.bytes ?? simd) {
      this.#options = options;
      this.#module = undefined;
    }
  }

  /** What a worker needs to load the same module. */
  async forWorker(): Promise<InitOptions> {
    const { module, url, bytes, simd } = this.#options;
    if (module) return { module };
    if (url !== undefined) return { url: String(url) };
    if (bytes) return { bytes };
    return simd ? { simd } : {};
  }

  get(): Promise<WebAssembly.Module> {
    const loading = (this.#module ??= this.#load());
    // The next call may try again.
    loading.catch(() => {
      if (this.#module === loading) this.#module = undefined;
    });
    return loading;
  }

  async #load(): Promise<WebAssembly.Module> {
    const { module, url, bytes, simd = 'auto' } = this.#options;
    if (module !== undefined) {
      if (!(module instanceof WebAssembly.Module)) {
        throw typeError('module', module, 'a WebAssembly.Module');
      }
      return module;
    }
    if (bytes !== undefined) {
      return compile(new Uint8Array(bytes as ArrayBuffer), 'the given module');
    }
    if (url !== undefined) {
      return compile(await this.#platform.fetchBytes(String(url)), String(url));
    }
    if (simd === 'relaxed' && !hasRelaxedSimd()) {
      throw new VeerError('UNSUPPORTED', 'this engine has no relaxed SIMD; leave {simd} out');
    }
    if (simd === 'simd128' || !hasRelaxedSimd()) return this.#platform.loadModule(false);
    try {
      return await this.#platform.loadModule(true);
    } catch (cause) {
      if (simd === 'relaxed') throw cause;
      return this.#platform.loadModule(false);
    }
  }
}
