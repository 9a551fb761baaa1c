// The browser of the tests, with a profile that lives as long as the test file: Debian's Chromium by
// playwright-core; or, where VEER_BROWSER is "firefox", Debian's Firefox (firefox.mjs).

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';

import { chromium } from 'playwright-core';

import { launchFirefox, skip as skipFirefox } from './firefox.mjs';
import { serve } from './server.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const isFirefox = process.env.VEER_BROWSER === 'firefox';
const skipChromium = existsSync(executablePath) ? false : `${executablePath} is not there`;

/** Why browser tests cannot run here, or false. */
export const skip = isFirefox ? skipFirefox : skipChromium;

/** Why tests cannot run here that need Chromium's own protocol, or false. */
export const skipWithoutDevtools = isFirefox ? 'there is no such command in Firefox' : skip;

const args = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
export const launchOptions = { executablePath, args, headless: true };

/**
 * A browser and a server for the tests of a file. `context` keeps what pages store; `page()` opens
 * a page of the server's origin, whose errors fail the test.
 */
export function useBrowser(served) {
  const profile = mkdtempSync(join(tmpdir(), 'veer-browser-'));
  const use = { context: undefined, server: undefined, errors: [] };

  before(async () => {
    if (skip) return;
    use.server = await serve(served);
    use.context = isFirefox
      ? await launchFirefox(profile)
      : await chromium.launchPersistentContext(profile, launchOptions);
  });
  after(async () => {
    await use.context?.close();
    await use.server?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  use.page = async (path = '/', origin = use.server.origin) => {
    const page = await use.context.newPage();
    page.on('pageerror', (error) => use.errors.push(error));
    page.on('console', (message) => {
      if (process.env.VEER_BROWSER_LOG) console.log(`page: ${message.text()}`);
    });
    await page.goto(origin + path);
    return page;
  };
  return use;
}

/** Runs a function in a page, with the package as its first argument. */
export const withVeer = (page, act, argument) =>
  page.evaluate(
    `(async () => (${act})(await import('/dist/index.js'), ${JSON.stringify(argument ?? null)}))()`,
  );
