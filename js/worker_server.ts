// The worker's side: engines, each with a port; see protocol.ts.

import type { Engine } from './commands.ts';
import { LocalEngine } from './engine.ts';
import { ModuleSource } from './module.ts';
import type { Platform } from './platform.ts';
import {
  OPEN,
  buffersOf,
  packError,
  type OpenMessage,
  type Request,
  type Response,
} from './protocol.ts';

function post(port: MessagePort, response: Response): void {
  const buffers = 'result' in response ? [...buffersOf(response.result)] : [];
  port.postMessage(response, buffers);
}

/** Answers the requests that come through a port until the database is closed. */
function serve(engine: Engine, port: MessagePort): void {
  const signals = new Map<number, AbortController>();

  const answer = async (request: Exclude<Request, { abort: number }>): Promise<void> => {
    const { id, command, args, progress } = request;
    const controller = new AbortController();
    signals.set(id, controller);
    try {
      if (command === 'close') await engine.close();
      const result =
        command === 'close'
          ? undefined
          : await engine.call(command, args as never, {
              signal: controller.signal,
              onProgress: progress
                ? (done, total) => post(port, { id, progress: [done, total] })
                : undefined,
            });
      post(port, { id, result });
    } catch (cause) {
      post(port, { id, error: packError(cause) });
    } finally {
      signals.delete(id);
      if (command === 'close') port.close();
    }
  };

  port.onmessage = ({ data }: MessageEvent<Request>) => {
    if ('abort' in data) signals.get(data.abort)?.abort();
    else void answer(data);
  };
}

/** Opens the database that a message asks for; messages of other kinds are not ours. */
export async function openFrom(platform: Platform, data: unknown): Promise<void> {
  if (data === null || typeof data !== 'object') return;
  if ((data as Partial<OpenMessage>).type !== OPEN) return;
  const { port, source, options, init } = data as OpenMessage;
  try {
    const modules = new ModuleSource(platform);
    modules.set(init);
    const engine = await LocalEngine.open(platform, await modules.get(), source, options, (error) =>
      post(port, { background: packError(error) }),
    );
    serve(engine, port);
    post(port, { id: 0, result: undefined });
  } catch (cause) {
    post(port, { id: 0, error: packError(cause) });
    port.close();
  }
}
