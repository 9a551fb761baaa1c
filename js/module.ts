// The compiled module: loaded once an API, checked before it is compiled.

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
    if (options.module ?? options.url ?? options.bytes) {
      this.#options = options;
      this.#module = undefined;
    }
  }

  /** What a worker needs to load the same module. */
  async forWorker(): Promise<InitOptions> {
    const { module, url, bytes } = this.#options;
    if (module) return { module };
    if (url !== undefined) return { url: String(url) };
    return bytes ? { bytes } : {};
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
    const { module, url, bytes } = this.#options;
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
    return this.#platform.loadModule();
  }
}
