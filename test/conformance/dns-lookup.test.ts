/** What name servers tell anybody, on a real one; and public addresses, from interfaces and from who is asked. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createAddress } from '../../reconcilers/drivers/address/system.ts';
import { createLookup } from '../../reconcilers/drivers/dns/lookup.ts';
import { telling } from '../support/before.ts';
import { VirtualClock } from '../support/clock.ts';
import { type Knot, knotMissing, startKnot } from '../support/knot.ts';
import { rejects } from './docker.suite.ts';

const RECORDS = `
wiki A 192.0.2.1
wiki A 192.0.2.2
wiki AAAA 2001:db8::1
www CNAME wiki
@ MX 10 mail
@ TXT "one" "two"
@ CAA 0 issue "letsencrypt.org"
_imaps._tcp SRV 0 5 993 mail
`;

const missing = knotMissing();
if (missing !== undefined) console.log(`SKIP: ${missing}`);
else {
  let knot: Knot;
  const lookup = createLookup({ clock: systemClock });
  test.before(
    telling(async () => {
      knot = await startKnot({ records: RECORDS });
    }),
  );
  test.after(() => knot.stop());

  const rows = [
    ['A', 'wiki.example.com', ['192.0.2.1', '192.0.2.2']],
    ['AAAA', 'wiki.example.com', ['2001:db8::1']],
    ['CNAME', 'www.example.com', ['wiki.example.com']],
    ['MX', 'example.com', ['10 mail.example.com']],
    ['TXT', 'example.com', ['onetwo']],
    ['CAA', 'example.com', ['0 issue letsencrypt.org']],
    ['SRV', '_imaps._tcp.example.com', ['0 5 993 mail.example.com']],
    ['A', 'not-there.example.com', []],
    ['TXT', 'wiki.example.com', []],
  ] as const;

  for (const [type, name, values] of rows) {
    test(`${type} ${name} is answered in canonical form`, async () => {
      const [answer] = await lookup.ask([knot.nameServer], { name, type });
      assert.equal(answer, { server: knot.nameServer, values: [...values] });
    });
  }

  test('a server that refuses, and one that is not there, are told and throw nothing', async () => {
    const question = { name: 'example.org', type: 'A' as const };
    const answers = await lookup.ask([knot.nameServer, '127.0.0.1:1'], question);
    assert.match(answers[0]?.problem ?? '', /REFUSED/);
    assert.ok(answers[1]?.problem);
  });

  test('name servers of a zone are found by a resolver that is given', async () => {
    assert.equal(await lookup.delegation('example.com', [knot.nameServer]), [
      'ns1.example.com',
      'ns2.example.com',
    ]);
    assert.equal(await lookup.delegation('not-there.example.com', [knot.nameServer]), []);
    await rejects('unavailable', lookup.delegation('example.com', ['127.0.0.1:1']));
  });

  test('where a name leads to is followed over its CNAMEs', async () => {
    const leads = await lookup.leadsTo('www.example.com', [knot.nameServer]);
    assert.equal(leads, {
      cnames: ['wiki.example.com'],
      addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'],
    });
  });

  test('a public address can be asked for by DNS', async () => {
    const address = createAddress({ clock: systemClock, interfaces: () => nic(['10.0.0.5']) });
    const from = [`dns:wiki.example.com@${knot.nameServer}`];
    const { found } = await address.find({ families: ['ipv4'], from });
    assert.ok(['192.0.2.1', '192.0.2.2'].includes(found.ipv4?.address ?? ''));
  });
}

function nic(addresses: string[], name = 'eth0') {
  const entry = (address: string) => ({
    address,
    family: (address.includes(':') ? 'IPv6' : 'IPv4') as 'IPv4',
    internal: false,
    netmask: '',
    mac: '',
    cidr: null,
  });
  return { [name]: addresses.map(entry) };
}

const both = { families: ['ipv4', 'ipv6'] as const };

test('a public address of an interface is taken without asking anybody', async () => {
  const address = createAddress({
    clock: new VirtualClock(),
    interfaces: () => nic(['10.0.0.5', '8.8.4.4', 'fe80::1', '2a01:4f8::7']),
    builtIn: [],
  });
  const { found } = await address.find(both);
  assert.equal([found.ipv4?.address, found.ipv6?.address], ['8.8.4.4', '2a01:4f8::7']);
});

test('a named interface gives its addresses, private ones too; one that is not there is told', async () => {
  const address = createAddress({
    clock: new VirtualClock(),
    interfaces: () => nic(['10.0.0.5']),
    builtIn: [],
  });
  assert.is((await address.find({ ...both, interface: 'eth0' })).found.ipv4?.address, '10.0.0.5');
  assert.match((await address.find({ ...both, interface: 'eth7' })).problems.ipv4 ?? '', /eth7/);
});

test('a machine without IPv6 has none, which is no problem', async () => {
  const address = createAddress({
    clock: new VirtualClock(),
    interfaces: () => nic(['8.8.4.4']),
    builtIn: [],
  });
  assert.equal(await address.find(both), {
    found: { ipv4: { address: '8.8.4.4', source: 'eth0' } },
    problems: {},
  });
});

test('who is asked is tried in order, and what is no address is not believed', async () => {
  const server = createServer(({ url }, response) => {
    if (url === '/broken') response.writeHead(500).end();
    else response.end(url === '/html' ? '<html>' : '203.0.113.7\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const address = createAddress({ clock: systemClock, interfaces: () => nic(['10.0.0.5']) });
    const good = { families: ['ipv4'] as const, from: [`${base}/broken`, `${base}/html`, `${base}/ip`] };
    assert.is((await address.find(good)).found.ipv4?.address, '203.0.113.7');
    const bad = await address.find({ families: ['ipv4'], from: [`${base}/broken`, `${base}/html`] });
    assert.match(bad.problems.ipv4 ?? '', /status 500.*answers no address/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('who never answers is given up after some seconds', async () => {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clock = new VirtualClock();
  try {
    const address = createAddress({ clock, interfaces: () => nic(['10.0.0.5']) });
    const from = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`];
    const finding = address.find({ families: ['ipv4'], from });
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(5_000);
    assert.match((await finding).problems.ipv4 ?? '', /no answer in 4 s/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test.run();
