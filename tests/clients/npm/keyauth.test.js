// The npm package `keyauth` as published, a client of API 1.0, against a real server. It has to decipher every answer;
// one that it cannot decipher ends the process, and so this test.
//
// The package has its vendor's address inside. Only that is changed, and from outside: in the HTTP library that it uses.
// It finds out a machine's id on Windows only, so that each test says one.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import axios from 'axios';
import Keyauth from 'keyauth';

import { APP, Shop } from './shop.js';

const VENDOR = 'https://keyauth.win/';
const MACHINE = 'machine-1';
const HASH = '0123456789abcdef0123456789abcdef';

/** A test with a shop of its own and a way to make clients of it. */
function shopTest(name, body) {
  test(name, async () => {
    const shop = new Shop();
    try {
      const address = await shop.serve();
      const interceptor = axios.interceptors.request.use((request) => {
        assert.ok(request.url.startsWith(VENDOR), request.url);
        return { ...request, url: request.url.replace(VENDOR, `${address}/`), proxy: false };
      });
      try {
        await body(shop, (version = '1.0') => new Keyauth(APP, shop.ownerid, shop.secret, version, HASH));
      } finally {
        axios.interceptors.request.eject(interceptor);
      }
    } finally {
      await shop.close();
    }
  });
}

/** A client with a session. */
async function opened(client) {
  const answer = await client.initialize();
  assert.equal(answer.message, 'Initialized');
  return client;
}

shopTest('initialize opens a session', async (_, client) => {
  const answer = await client().initialize();
  assert.equal(answer.success, true);
  assert.match(answer.sessionid, /^[0-9a-f]{32}$/);
  assert.deepEqual(
    Object.entries(answer.appinfo).map(([name, value]) => [name, typeof value]),
    ['numUsers', 'numOnlineUsers', 'numKeys', 'version', 'customerPanelLink'].map((name) => [name, 'string']),
  );
});

shopTest('initialize refuses another version', async (_, client) => {
  assert.equal(await client('2.0').initialize(), false);
});

shopTest('register, login and check', async (shop, client) => {
  const one = await opened(client());
  assert.equal(await one.check(), 'Session is not validated.');
  const key = shop.key();
  const made = await one.register('mia', 'a+b&c %41', key, MACHINE);
  assert.equal(made.info.username, 'mia');
  assert.equal(made.info.ip, '127.0.0.1');
  assert.equal(made.info.subscriptions[0].subscription, 'default');
  assert.equal((await one.check()).message, 'Session is validated.');
  assert.equal(await one.register('noa', 'other', key, MACHINE), 'Key Already Used.');

  const two = await opened(client());
  // Of a refused login this client says nothing.
  assert.equal(await two.login('mia', 'wrong', MACHINE), undefined);
  assert.equal(await two.login('mia', 'a+b&c %41', 'machine-2'), undefined);
  assert.equal(await two.check(), 'Session is not validated.');
  assert.equal((await two.login('mia', 'a+b&c %41', MACHINE)).message, 'Logged in!');
  assert.equal((await two.check()).success, true);
});

shopTest('license, twice', async (shop, client) => {
  const key = shop.key();
  for (const _ of ['first', 'second']) {
    const one = await opened(client());
    const answer = await one.license(key, MACHINE);
    assert.equal(answer.info.username, key);
    assert.equal((await one.check()).success, true);
  }
  const elsewhere = await opened(client());
  assert.equal(await elsewhere.license(key, 'machine-2'), "HWID doesn't match. Ask for a HWID reset");
  assert.equal(await elsewhere.license('no-such-key', MACHINE), 'Key Not Found.');
});

shopTest('upgrade', async (shop, client) => {
  const one = await opened(client());
  await one.register('mia', 's3cret', shop.key(), MACHINE);
  assert.equal((await one.upgrade('mia', shop.key())).message, 'Upgraded successfully');
  assert.equal(await one.upgrade('noa', shop.key()), 'Username not found.');
});

shopTest('var', async (shop, client) => {
  shop.operator('var', 'set', 'motd', 'Grüße – 日本 🔑 "quoted" and/or more');
  const one = await opened(client());
  assert.equal(await one.var('motd'), 'Session is not validated.');
  await one.license(shop.key(), MACHINE);
  assert.equal((await one.var('motd')).message, 'Grüße – 日本 🔑 "quoted" and/or more');
  assert.equal(await one.var('no-such-name'), 'Variable not found.');
});

shopTest('setvar and getvar', async (shop, client) => {
  const one = await opened(client());
  assert.equal(await one.setvar('theme', 'dark'), 'Session is not validated.');
  await one.license(shop.key(), MACHINE);
  assert.equal((await one.setvar('theme', 'Größe 12')).message, 'Successfully set variable');
  assert.equal((await one.getvar('theme')).response, 'Größe 12');
  assert.equal(await one.getvar('none'), 'Variable not found for user');
});

shopTest('ban', async (shop, client) => {
  const key = shop.key();
  const one = await opened(client());
  assert.equal(await one.ban(), 'Session is not validated.');
  await one.license(key, MACHINE);
  assert.equal(await one.ban(), true);
  assert.equal(await one.check(), 'Session is not validated.');
  assert.equal(await (await opened(client())).license(key, MACHINE), 'The user is banned');
});

shopTest('file', async (shop, client) => {
  shop.operator('file', 'add', shop.file('notes.txt', 'Grüße'), '--id', '123456');
  const one = await opened(client());
  assert.equal(await one.file(123456), 'Session is not validated.');
  await one.license(shop.key(), MACHINE);
  assert.equal(await one.file(123456), 'Grüße');
  assert.equal(await one.file(654321), 'File not Found');
});

shopTest('webhook', async (shop, client) => {
  const asked = [];
  const upstream = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('yes');
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  try {
    const url = `http://127.0.0.1:${upstream.address().port}/hook`;
    shop.operator('relay', 'add', 'hook', url, '--allow-target', '127.0.0.0/8');
    const one = await opened(client());
    assert.equal(await one.webhook('hook', '?a=b'), 'Session is not validated.');
    await one.license(shop.key(), MACHINE);
    assert.equal((await one.webhook('hook', '?a=b%20c')).response, 'yes');
    assert.deepEqual(asked, ['GET /hook?a=b%20c']);
  } finally {
    upstream.close();
  }
});

shopTest('log', async (shop, client) => {
  const one = await opened(client());
  await one.license(shop.key(), MACHINE);
  assert.equal(await one.log('started'), true);
  assert.match(shop.operator('log', 'list', '--json'), /"started"/);
});
