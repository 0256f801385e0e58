import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  isPlace,
  readHasLoopback6,
  readProfiles,
  readRoutes,
  readSockets,
  readTrie,
} from '../../reconcilers/drivers/host/proc.ts';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0\n`;

const sockets: { name: string; protocol: 'tcp' | 'udp'; table: string; expected: object[] }[] = [
  { name: 'an empty table', protocol: 'tcp', table: HEADER, expected: [] },
  { name: 'no table', protocol: 'tcp', table: '', expected: [] },
  {
    name: 'a listener on loopback',
    protocol: 'tcp',
    table: HEADER + line('0100007F:0050', '0A', 7),
    expected: [{ address: '127.0.0.1', port: 80, inode: 7 }],
  },
  {
    name: 'a listener on all addresses',
    protocol: 'tcp',
    table: HEADER + line('00000000:01BB', '0A', 8),
    expected: [{ address: '0.0.0.0', port: 443, inode: 8 }],
  },
  {
    name: 'a connection beside a listener',
    protocol: 'tcp',
    table: HEADER + line('0100007F:1F90', '01', 1) + line('0100007F:1F90', '0A', 2),
    expected: [{ address: '127.0.0.1', port: 8080, inode: 2 }],
  },
  {
    name: 'all addresses of IPv6',
    protocol: 'tcp',
    table: HEADER + line('00000000000000000000000000000000:0016', '0A', 3),
    expected: [{ address: '::', port: 22, inode: 3 }],
  },
  {
    name: 'one address of IPv6',
    protocol: 'tcp',
    table: HEADER + line('B80D0120000000000000000001000000:0016', '0A', 3),
    expected: [{ address: '2001:db8::1', port: 22, inode: 3 }],
  },
  {
    name: 'UDP that is bound, and UDP that is connected',
    protocol: 'udp',
    table: HEADER + line('00000000:0035', '07', 4) + line('0100007F:9999', '01', 5),
    expected: [{ address: '0.0.0.0', port: 53, inode: 4 }],
  },
];
for (const row of sockets) {
  test(`sockets: ${row.name}`, () => assert.equal(readSockets(row.table, row.protocol), row.expected));
}

test('routes are read without the default, those that are down, and those that reject', () => {
  const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0100000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
odd0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FE\t0\t0\t0
down0\t0000010A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0
*\t0000020A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  assert.equal(readRoutes(table), [
    { destination: '172.17.0.0/16', interface: 'docker0' },
    { destination: '192.0.2.0/24', interface: 'eth0' },
    { destination: '10.0.0.1/32', interface: 'tun0' },
    { destination: '10.0.0.0/7', interface: 'odd0' },
  ]);
  assert.equal(readRoutes(''), []);
});

test('routes of the tables that rules lead to are read, and the addresses of the machine', () => {
  const trie = `Id 51820:
  +-- 10.214.0.0/15 2 0 2
     |-- 10.214.7.0
        /24 link UNICAST
        /32 host LOCAL
     |-- 10.215.0.0
        /16 universe UNICAST
        /16 universe UNREACHABLE
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.0.2.0
        /24 link UNICAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
`;
  assert.equal(readTrie(trie), [
    { destination: '10.214.7.0/24', interface: 'table 51820' },
    { destination: '10.214.7.0/32', interface: 'address' },
    { destination: '10.215.0.0/16', interface: 'table 51820' },
    { destination: '192.0.2.2/32', interface: 'address' },
  ]);
  assert.equal(readTrie(''), []);
});

const places: [string, boolean][] = [
  ['10.0.0.0/8', true],
  ['10.0.0.1/32', true],
  ['0.0.0.0/1', false],
  ['128.0.0.0/1', false],
  ['8.0.0.0/7', false],
];
for (const [destination, expected] of places) {
  test(`${destination} is ${expected ? 'a place' : 'a piece of the default route'}`, () =>
    assert.is(isPlace({ destination, interface: 'tun0' }), expected));
}

test('IPv6 needs ::1, not only a link', () => {
  assert.ok(readHasLoopback6('00000000000000000000000000000001 01 80 10 80       lo\n'));
  assert.not.ok(readHasLoopback6('fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n'));
  assert.not.ok(readHasLoopback6(''));
});

test('profiles of AppArmor are read with their names, also with spaces and brackets', () => {
  const found = readProfiles(
    'docker-default (enforce)\n/usr/sbin/{a,b} (complain)\nholdfast app (enforce)\n\n',
  );
  assert.equal([...found], ['docker-default', '/usr/sbin/{a,b}', 'holdfast app']);
});

test.run();
