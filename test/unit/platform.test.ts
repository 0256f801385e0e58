import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseSubnet, gatewayOf, overlaps } from '../../reconcilers/platform/subnet.ts';

const rows: [string, string, boolean][] = [
  ['10.213.0.0/16', '10.213.4.0/24', true],
  ['10.213.4.0/24', '10.213.0.0/16', true],
  ['10.213.0.0/16', '10.0.0.0/8', true],
  ['10.213.0.0/16', '10.214.0.0/16', false],
  ['10.213.0.0/16', 'fd00::/64', false],
  ['10.213.0.0/16', '10.213.255.255/32', true],
];
for (const [a, b, expected] of rows) {
  test(`${a} and ${b} ${expected ? 'overlap' : 'do not overlap'}`, () => assert.is(overlaps(a, b), expected));
}

test('the first subnet that overlaps nothing is taken', () => {
  const taken = [{ subnet: '10.213.0.0/24', by: 'route by tun0' }];
  assert.equal(chooseSubnet(['10.213.0.0/16', '10.214.0.0/16'], taken), { subnet: '10.214.0.0/16' });
});

test('when all are taken, who has each is told', () => {
  const taken = [{ subnet: '10.0.0.0/8', by: 'route by tun0' }];
  assert.equal(chooseSubnet(['10.213.0.0/16'], taken), {
    conflicts: [{ subnet: '10.213.0.0/16', by: 'route by tun0 (10.0.0.0/8)' }],
  });
});

test('the gateway is the first address', () => {
  assert.is(gatewayOf('10.213.0.0/16'), '10.213.0.1');
  assert.is(gatewayOf('192.168.224.0/20'), '192.168.224.1');
});

test.run();
