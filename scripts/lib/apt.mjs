// Debian packages: those of the machine's own release are installed the normal way; those of a
// newer release and the library sources are only downloaded, through package sources that are
// private to the checkout, so that the system's own stay as they are.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError, capture, root, runQuietly, which } from './run.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export const isRoot = () => process.getuid?.() === 0;
export const isDebian = () => existsSync('/etc/debian_version') && which('apt-get') !== null;

/** Installs packages of the machine's own release, or says what to do where we may not. */
export function install(packages) {
  const names = packages.join(' ');
  if (!isDebian()) {
    throw new ScriptError(
      `Missing: ${names}\nThese are Debian's package names; install their equivalents with your ` +
        `system's package manager, then run this again.`,
    );
  }
  if (!isRoot()) {
    throw new ScriptError(
      `Missing: ${names}\nInstall with:\n  sudo apt-get update && ` +
        `sudo apt-get install -y --no-install-recommends ${names}`,
    );
  }
  console.log(`setup: installing ${names}`);
  const wait = ['-qq', '-o', 'DPkg::Lock::Timeout=600'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  runQuietly('apt-get', [...wait, 'update'], { env });
  runQuietly('apt-get', [...wait, 'install', '-y', '--no-install-recommends', ...packages], {
    env,
  });
}

/** The Debian mirror that this machine uses, as its own package sources name it. */
function machineMirror() {
  const uris = capture('apt-get', ['update', '--print-uris']) ?? '';
  for (const line of uris.split('\n')) {
    const match = /^'([^']+\/debian)\/+dists\/[^/']+\/(?:InRelease|Release)'/.exec(line);
    if (match) return match[1];
  }
  throw new ScriptError(
    'No Debian mirror in this machine’s package sources (apt-get update --print-uris).',
  );
}

/** The private package sources of the checkout, in `.toolchain/apt`. */
export class PrivateSources {
  #folder = join(root, '.toolchain', 'apt');
  #isUpdated = false;

  #options() {
    const at = (name) => join(this.#folder, name);
    return [
      'Dir::Etc::SourceList=/dev/null',
      `Dir::Etc::SourceParts=${at('parts')}`,
      'Dir::Etc::PreferencesParts=/dev/null',
      `Dir::State::Lists=${at('lists')}`,
      `Dir::Cache=${at('cache')}`,
      'APT::Sandbox::User=root',
      'APT::Get::List-Cleanup=false',
    ].flatMap((option) => ['-o', option]);
  }

  #update() {
    if (this.#isUpdated) return;
    for (const name of ['parts', 'lists/partial', 'cache/archives/partial', 'files']) {
      mkdirSync(join(this.#folder, name), { recursive: true });
    }
    const sources = [
      'Types: deb deb-src',
      `URIs: ${machineMirror()}`,
      'Suites: bookworm trixie',
      'Components: main',
      `Signed-By: ${keyring}`,
      '',
    ];
    writeFileSync(join(this.#folder, 'parts', 'veer.sources'), sources.join('\n'));
    runQuietly('apt-get', ['-qq', ...this.#options(), 'update']);
    this.#isUpdated = true;
  }

  /** Downloads a binary package (`name/suite`) and returns the folder that holds the file. */
  downloadBinary(target) {
    return this.#download(['download', target]);
  }

  /** Downloads a source package's upstream archive and returns the folder that holds it. */
  downloadSource(target) {
    return this.#download(['source', '--download-only', '--tar-only', target]);
  }

  #download(args) {
    if (!isDebian()) {
      throw new ScriptError(
        `${args.at(-1)} comes from Debian's archive, and this system has no apt-get. ` +
          `See docs/CONTRIBUTING.md for building with what the system has.`,
      );
    }
    this.#update();
    const cwd = join(this.#folder, 'files');
    runQuietly('apt-get', ['-qq', ...this.#options(), ...args], { cwd });
    return cwd;
  }
}
