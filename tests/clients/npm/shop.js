// A shop (one app in a database of its own) and a running server for it, made with nothing but the `keystead` binary.
// Must not speak the protocol itself: the clients do the talking.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const binary = process.env.KEYSTEAD_BIN;
if (!binary) throw new Error('KEYSTEAD_BIN names the binary to test');

// A setting of the developer's own shell must not decide a test.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYSTEAD_')));

/** The app's name. With a blank, since clients send it in every form. */
export const APP = 'Acme Tools';

export class Shop {
  #folder = mkdtempSync(join(tmpdir(), 'keystead-npm-'));
  #server;

  constructor() {
    const app = this.#json('app', 'create', APP, '--json');
    this.ownerid = app.ownerid;
    this.secret = app.secret;
  }

  /** Runs `keystead ARGS --app APP` on this shop's database, also while its server runs; returns what it printed. */
  operator(...args) {
    return this.#run(...args, '--app', APP);
  }

  /** Makes one unused key of 30 days. */
  key(level = '1') {
    return this.#json('license', 'create', '--app', APP, '--duration', '30d', '--level', level, '--json')[0];
  }

  /** Writes a file beside the database; its path. */
  file(name, text) {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Starts a server on this shop's database; its address, once it listens. */
  async serve() {
    const args = ['serve', '--listen', '127.0.0.1:0', '--database', this.#database];
    args.push('--api-1-0', 'true', '--allow-target', '127.0.0.0/8');
    this.#server = spawn(binary, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const told = [];
    // Reads to the end, not just to the address: a full pipe would stop the server in the middle of a test.
    for await (const line of createInterface({ input: this.#server.stderr })) {
      told.push(line);
      const [, address] = line.match(/listening on (http:\/\/\S+)/) ?? [];
      if (address) {
        this.#server.stderr.resume();
        return address;
      }
    }
    throw new Error(`the server did not start:\n${told.join('\n')}`);
  }

  /** Ends the server and deletes the database. */
  async close() {
    if (this.#server && this.#server.exitCode === null) {
      this.#server.kill('SIGKILL');
      await once(this.#server, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #database() {
    return join(this.#folder, 'shop.db');
  }

  #json(...args) {
    return JSON.parse(this.#run(...args));
  }

  #run(...args) {
    const run = spawnSync(binary, [...args, '--database', this.#database], { env, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`keystead ${args.join(' ')}: ${run.error ?? run.stderr}`);
    return run.stdout;
  }
}
