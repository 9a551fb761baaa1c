// The page's side of an engine in a worker; see protocol.ts.

import type { InitOptions, LongCall } from '../types/options.d.ts';
import type {
  CommandArguments,
  CommandName,
  CommandResult,
  Engine,
  EngineOptions,
  Source,
} from './commands.ts';
import { VeerError, closed } from './errors.ts';
import type { WorkerPeer } from './platform.ts';
import { OPEN, buffersOf, unpackError, type OpenMessage, type Response } from './protocol.ts';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
  readonly onProgress: LongCall['onProgress'];
}

export class WorkerEngine implements Engine {
  readonly #peer: WorkerPeer;
  readonly #isOwned: boolean;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onBackgroundError: (error: Error) => void;
  #nextId = 1;
  #end: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    peer: WorkerPeer,
    isOwned: boolean,
    port: MessagePort,
    onBackgroundError: (error: Error) => void,
  ) {
    this.#peer = peer;
    this.#isOwned = isOwned;
    this.#port = port;
    this.#onBackgroundError = onBackgroundError;
    port.onmessage = ({ data }: MessageEvent<Response>) => this.#receive(data);
    peer.onFailure((reason) => {
      this.#fail(
        new VeerError(
          'IO',
          `the worker of the database has failed: ${reason}; what was being written may be there ` +
            'or not',
        ),
      );
    });
  }

  /** `isOwned`: the worker ends with the database. */
  static async open(
    peer: WorkerPeer,
    isOwned: boolean,
    source: Source,
    options: EngineOptions,
    init: InitOptions,
    onBackgroundError: (error: Error) => void,
  ): Promise<WorkerEngine> {
    const { port1, port2 } = new MessageChannel();
    const engine = new WorkerEngine(peer, isOwned, port1, onBackgroundError);
    try {
      await engine.#wait(0, undefined, () => {
        const message: OpenMessage = { type: OPEN, port: port2, source, options, init };
        peer.post(message, [port2]);
      });
      return engine;
    } catch (cause) {
      engine.#stop(closed('the database'));
      throw cause;
    }
  }

  call<K extends CommandName>(
    command: K,
    args: CommandArguments<K>,
    { signal, onProgress }: LongCall = {},
  ): Promise<CommandResult<K>> {
    return this.#request(command, args, signal, onProgress) as Promise<CommandResult<K>>;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#end) return;
    try {
      await this.#request('close', {}, undefined, undefined);
    } finally {
      this.#stop(closed('the database'));
    }
  }

  async #request(
    command: CommandName | 'close',
    args: unknown,
    signal: AbortSignal | undefined,
    onProgress: LongCall['onProgress'],
  ): Promise<unknown> {
    if (this.#end) throw this.#end;
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const abort = (): void => this.#port.postMessage({ abort: id });
    signal?.addEventListener('abort', abort);
    try {
      return await this.#wait(id, onProgress, () => {
        const request = { id, command, args, progress: onProgress !== undefined };
        this.#port.postMessage(request, [...buffersOf(args)]);
      });
    } catch (cause) {
      // The worker knows that it was cancelled, not why.
      if (signal?.aborted && (cause as Error).name === 'AbortError') throw signal.reason;
      throw cause;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #wait(id: number, onProgress: LongCall['onProgress'], post: () => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#hold(true);
      try {
        post();
      } catch (cause) {
        this.#take(id);
        reject(cause);
      }
    });
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#hold(false);
    return waiting;
  }

  #receive(response: Response): void {
    if ('background' in response) {
      this.#onBackgroundError(unpackError(response.background));
    } else if ('progress' in response) {
      const waiting = this.#waiting.get(response.id);
      try {
        waiting?.onProgress?.(...response.progress);
      } catch (cause) {
        // Its result is of no interest any more.
        this.#take(response.id)?.reject(cause);
        this.#port.postMessage({ abort: response.id });
      }
    } else if ('error' in response) {
      this.#take(response.id)?.reject(unpackError(response.error));
    } else {
      this.#take(response.id)?.resolve(response.result);
    }
  }

  #fail(error: Error): void {
    if (this.#end) return;
    this.#stop(error);
  }

  /** While something is asked, and only then, worker and port keep a process of Node alive. */
  #hold(isHeld: boolean): void {
    this.#peer.hold(isHeld);
    const port = this.#port as MessagePort & { ref?(): void; unref?(): void };
    if (isHeld) port.ref?.();
    else port.unref?.();
  }

  #stop(error: Error): void {
    this.#end ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#end);
    this.#port.close();
    this.#hold(false);
    if (this.#isOwned) this.#peer.terminate();
  }
}
