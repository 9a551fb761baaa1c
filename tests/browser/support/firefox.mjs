// Debian's Firefox over WebDriver BiDi, as much of it as the tests use: pages with `evaluate`,
// `goto`, `reload` and `close`, as Playwright has them. (Playwright drives a Firefox of its own
// making only.)

import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import bundle from 'playwright-core/lib/utilsBundle';

const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** Why its tests cannot run here, or false. */
export const skip = existsSync(executablePath) ? false : `${executablePath} is not there`;

/** A browser that asks nobody and nothing. */
const preferences = {
  'app.normandy.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.discovery.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/** Commands and their answers over a web socket. */
class Connection {
  #socket;
  #waiting = new Map();
  #nextId = 1;
  onEvent = () => {};

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(data)));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox has ended'));
    });
  }

  static open(url) {
    const socket = new bundle.ws(url, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(new Connection(socket)));
      socket.on('error', reject);
    });
  }

  send(method, params) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #receive({ id, type, result, error, message, method, params }) {
    if (type === 'event') {
      this.onEvent(method, params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (type === 'error') waiting?.reject(new Error(`${error}: ${message}`));
    else waiting?.resolve(result);
  }
}

class Page {
  #connection;
  #context;
  #listeners = { pageerror: () => {}, console: () => {} };

  constructor(connection, context) {
    this.#connection = connection;
    this.#context = context;
  }

  on(event, listener) {
    this.#listeners[event] = listener;
  }
  tell({ type, level, text }) {
    if (type === 'javascript' && level === 'error') this.#listeners.pageerror(new Error(text));
    else this.#listeners.console({ text: () => text });
  }

  goto(url) {
    return this.#of('browsingContext.navigate', { url, wait: 'complete' });
  }
  reload() {
    return this.#of('browsingContext.reload', { wait: 'complete' });
  }
  close() {
    return this.#of('browsingContext.close', {});
  }

  /** The value of an expression, or of a function of one argument; it passes as JSON. */
  async evaluate(what, argument) {
    const called =
      typeof what === 'function' ? `(${what})(${JSON.stringify(argument) ?? ''})` : what;
    const { result, exceptionDetails } = await this.#connection.send('script.evaluate', {
      expression: `(async () => JSON.stringify(await ${called}))()`,
      target: { context: this.#context },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  }

  #of(method, params) {
    return this.#connection.send(method, { context: this.#context, ...params });
  }
}

/** Starts Firefox with `more` preferences; what it stores is in `profile`, an empty folder. */
export async function launchFirefox(profile, more = {}) {
  const lines = Object.entries({ ...preferences, ...more }).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0'];
  const child = spawn(executablePath, args, {
    // The crash reporter and the like write there.
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  try {
    const url = await listening(child);
    const connection = await Connection.open(`${url}/session`);
    await connection.send('session.new', { capabilities: {} });
    await connection.send('session.subscribe', { events: ['log.entryAdded'] });
    const pages = new Map();
    connection.onEvent = (method, { source, ...entry }) => pages.get(source?.context)?.tell(entry);
    return {
      async newPage() {
        const { context } = await connection.send('browsingContext.create', { type: 'tab' });
        const page = new Page(connection, context);
        pages.set(context, page);
        return page;
      },
      async close() {
        await connection.send('browser.close', {}).catch(() => {});
        const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
        await ended;
        clearTimeout(kill);
      },
    };
  } catch (cause) {
    child.kill('SIGKILL');
    throw cause;
  }
}

/** The address at which it listens. */
async function listening(child) {
  const said = [];
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
      if (url) return url;
      said.push(line);
    }
  } finally {
    clearTimeout(timer);
    child.stderr.resume();
  }
  throw new Error(`Firefox does not listen:\n${said.join('\n')}`);
}
