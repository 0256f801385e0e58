/** What is open between containers: derived from documents, compared with the kernel's tables, and told. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { canonicalRule, readTable, rulesOf } from '../../reconcilers/drivers/firewall/rules.ts';
import {
  acceptsOf,
  type FirewallHave,
  firewallCondition,
  firewallDifferences,
  observeFirewall,
} from '../../reconcilers/platform/firewall.ts';
import type { Document } from '../../resources/document.ts';
import { site, viewOf } from './site-world.ts';

const BRIDGE = 'holdfast0';

function made(kind: string, name: string, spec: object, status: object, deleted = false): Document {
  return { ...site(name, { deleted }), kind, spec: { ...spec }, status: { ...status } };
}
const wiki = made('App', 'wiki', {}, { address: '10.213.0.5' });
const postgresql = made('Addon', 'postgresql', {}, { address: '10.213.0.3', port: 5432 });
const binding = made('Binding', 'wiki-postgresql', { app: 'wiki', addon: 'postgresql' }, {});
const tidy = made('Task', 'wiki-tidy', { app: 'wiki' }, { address: '10.213.0.9' });
const open = {
  source: '10.213.0.5',
  destination: '10.213.0.3',
  port: 5432,
  purpose: 'binding/wiki-postgresql',
};

const rows: [string, Document[], object[]][] = [
  ['a Binding opens one way from its App to its Addon', [wiki, postgresql, binding], [open]],
  ['nothing is open without a Binding', [wiki, postgresql], []],
  ['nothing is open without the App', [postgresql, binding], []],
  ['nothing is open without the Addon', [wiki, binding], []],
  ['nothing is open to an Addon that has no address yet', [wiki, { ...postgresql, status: {} }, binding], []],
  ['nothing is open from an App that has no address yet', [{ ...wiki, status: {} }, postgresql, binding], []],
  [
    'an address that is none opens nothing',
    [made('App', 'wiki', {}, { address: '0.0.0.0/0' }), postgresql, binding],
    [],
  ],
  [
    'what is being deleted is closed at once',
    [wiki, postgresql, made('Binding', 'wiki-postgresql', binding.spec, {}, true)],
    [],
  ],
  [
    'an App that is being deleted reaches nothing',
    [made('App', 'wiki', {}, wiki.status ?? {}, true), postgresql, binding],
    [],
  ],
  [
    'a task has the ways of its App',
    [wiki, postgresql, binding, tidy, made('Task', 'blog-tidy', { app: 'blog' }, { address: '10.213.0.8' })],
    [open, { ...open, source: '10.213.0.9', purpose: 'binding/wiki-postgresql task/wiki-tidy' }],
  ],
  [
    'addresses of two families open nothing',
    [wiki, made('Addon', 'postgresql', {}, { address: 'fd00::3', port: 5432 }), binding],
    [],
  ],
];
for (const [name, documents, expected] of rows)
  test(name, () => assert.equal(acceptsOf(viewOf(documents)), expected));

const policy = { bridge: BRIDGE, accepts: [open] };

test('a rule is the same in whichever order its words stand', () => {
  const ours =
    '-s 10.0.0.1 -d 10.0.0.2 -i b0 -o b0 -p tcp -m tcp --dport 5 -m comment --comment "holdfast: x" -j ACCEPT';
  const other =
    '-s 10.0.0.1/32 -d 10.0.0.2/32 -i b0 -o b0 -p tcp -m comment --comment "holdfast: x" -m tcp --dport 5 -j ACCEPT';
  assert.is(canonicalRule(other), canonicalRule(ours));
  assert.is.not(canonicalRule(other.replace('--dport 5', '--dport 6')), canonicalRule(ours));
  assert.is.not(canonicalRule(other.replace('-i b0', '! -i b0')), canonicalRule(ours));
});

test('a comment cannot become a rule', () => {
  const accepts = [{ ...open, purpose: 'x" -j ACCEPT\n-A FORWARD -j ACCEPT' }];
  assert.throws(() => rulesOf({ bridge: BRIDGE, accepts }, 4), /comment/);
});

test('the last rule drops what no rule before it let through', () => {
  assert.match(rulesOf(policy, 4).at(-1) ?? '', /^-i holdfast0 -o holdfast0 .*-j DROP$/);
});

test('a table with thousands of foreign rules is read', () => {
  const foreign = Array.from({ length: 5000 }, (_, index) => `-A OTHER -s 10.9.${index % 255}.1/32 -j DROP`);
  const text = [
    '*filter',
    ':FORWARD DROP [0:0]',
    ':DOCKER-USER - [0:0]',
    ':OTHER - [0:0]',
    ...foreign,
    'COMMIT',
  ];
  const found = readTable(text.join('\n'), 4, BRIDGE);
  assert.equal(found, { family: 4, hooked: true, rules: undefined, called: false, dockerRules: false });
});

function settled(have: FirewallHave): string {
  const { status, reason } = firewallCondition(policy, have, undefined);
  return `${status} ${reason}, ${firewallDifferences(policy, have).length} to do`;
}

test('what is written has no difference, and each thing that others do is one', async () => {
  const firewall = createFakeFirewall();
  const look = async () => settled(await observeFirewall({ firewall }));
  assert.is(await look(), 'False NoHook, 0 to do');
  firewall.dockerStarts(BRIDGE);
  assert.is(await look(), 'False Progressing, 1 to do');
  await firewall.write(policy);
  assert.is(await look(), 'True Filtering, 0 to do');
  const table = firewall.kernel.tables.get(4);
  const chain = table?.get('HOLDFAST-FORWARD') ?? [];
  table?.set('HOLDFAST-FORWARD', [...chain].reverse());
  assert.is(await look(), 'False Progressing, 1 to do');
  table?.set('HOLDFAST-FORWARD', ['-j ACCEPT', ...chain]);
  assert.is(await look(), 'False Progressing, 1 to do');
  firewall.flush();
  assert.is(await look(), 'False DockerRulesMissing, 4 to do');
  await firewall.write(policy);
  assert.is(await look(), 'False DockerRulesMissing, 0 to do');
  firewall.dockerStarts(BRIDGE);
  assert.is(await look(), 'True Filtering, 0 to do');
  firewall.kernel.bridgeFilter = 'impossible';
  assert.is(await look(), 'False BridgeNotFiltered, 0 to do');
  firewall.kernel.version = undefined;
  assert.is(await look(), 'False NoIptables, 0 to do');
});

test('a firewall that cannot be read is unknown, not well', async () => {
  const firewall = createFakeFirewall({
    beforeCall: () => {
      throw new Error('Permission denied (you must be root)');
    },
  });
  const have = await observeFirewall({ firewall });
  const { status, message } = firewallCondition(policy, have, undefined);
  assert.is(status, 'Unknown');
  assert.match(message, /you must be root/);
});

test.run();
