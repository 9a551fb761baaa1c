// The package's version; tests/node/package.test.mjs holds it against package.json and veer.h.

export const version: string = '0.1.0';
