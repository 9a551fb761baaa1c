// Locations: what a text like `opfs://notes` means.

import { VeerError, rangeError, typeError } from './errors.ts';

export interface Location {
  readonly kind: 'memory' | 'opfs' | 'idb' | 'path';
  /** As it was given. */
  readonly text: string;
  /** Behind the scheme; the path. */
  readonly name: string;
}

const NAME =
  /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]{1,64}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]{1,64})*$/;

export function parseLocation(text: unknown): Location {
  if (typeof text !== 'string') throw typeError('location', text, 'a string');
  if (text === '') throw rangeError('location', text, "not empty: 'memory:', a path, ...");
  if (text === 'memory:') return { kind: 'memory', text, name: '' };
  const scheme = /^([a-z][a-z0-9+.-]+):(.*)$/s.exec(text);
  if (!scheme || scheme[1] === 'file') return { kind: 'path', text, name: text };
  const [, kind, rest = ''] = scheme;
  if ((kind === 'opfs' || kind === 'idb') && rest.startsWith('//')) {
    const name = rest.slice(2);
    if (!NAME.test(name)) {
      throw rangeError('location', text, `${kind}://name with letters, digits and . _ - /`);
    }
    return { kind, text, name };
  }
  throw new VeerError(
    'UNSUPPORTED',
    `'${text}' is no location: there are 'memory:', 'opfs://name', 'idb://name' and paths`,
  );
}
