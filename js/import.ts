// Filling an empty database from another one, collection by collection.

import type { Collection } from '../types/collection.d.ts';
import type { Database } from '../types/database.d.ts';
import type { LongCall } from '../types/options.d.ts';
import type { Field, Schema } from '../types/schema.d.ts';

/** The schema that makes the same fields again, and what a copy has to select. */
function fieldsOf(stored: unknown): { schema: Schema; orderBy: string | undefined } {
  const { fields, orderBy } = stored as {
    fields: Record<string, Record<string, unknown>>;
    orderBy?: string;
  };
  const schema: Record<string, Field> = {};
  for (const [name, { type, dims, metric, storage, model }] of Object.entries(fields)) {
    const field =
      type === 'vector' ? { type, dims, metric, storage, model: model ?? undefined } : { type };
    schema[name] = field as unknown as Field;
  }
  return { schema, orderBy };
}

/** Whole documents with their vectors. */
async function* everything(collection: Collection): AsyncGenerator<{ id: string }> {
  for await (const { document } of collection.scan({ select: '*' })) yield document;
}

/** Copies every document of `from` into `to`, which has no collections; all of them or none. */
export async function copyDatabase(from: Database, to: Database, options: LongCall): Promise<void> {
  try {
    await copyCollections(from, to, options);
  } catch (cause) {
    for (const { name } of await to.collections()) await to.drop(name);
    throw cause;
  }
}

async function copyCollections(
  from: Database,
  to: Database,
  { signal, onProgress }: LongCall,
): Promise<void> {
  const infos = await from.collections();
  const total = infos.reduce((sum, { count }) => sum + count, 0);
  let before = 0;
  for (const { name, count } of infos) {
    const source = await from.collection(name);
    const { schema, orderBy } = fieldsOf(await source.schema());
    const target = await to.collection(name, schema, { orderBy });
    try {
      await (target as unknown as Collection).upsert(everything(source), {
        signal,
        onProgress: (written) => onProgress?.(before + written, total),
      });
    } finally {
      await target.close();
      await source.close();
    }
    before += count;
  }
}
