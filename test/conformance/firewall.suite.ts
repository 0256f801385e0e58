/** What every firewall must do. The real one, in a network of its own, and the fake each call this in a test file of their own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FamilyState, Firewall, FirewallPolicy } from '../../reconcilers/drivers/firewall/index.ts';
import { wantedRules } from '../../reconcilers/drivers/firewall/rules.ts';
import { rejects } from './docker.suite.ts';

export interface FirewallUnderTest {
  firewall: Firewall;
  /** What dockerd does to the tables when it starts, with a bridge that keeps its containers apart. */
  dockerStarts(): Promise<void>;
  flush(): Promise<void>;
  /** Somebody else's rule, at the end or at the beginning of a chain. */
  addForeign(chain: string, rule: string, where?: 'first' | 'last'): Promise<void>;
  /** Rules of a chain, in order, as they are. */
  rules(chain: string): Promise<string[]>;
  cleanup(): Promise<void>;
}

export const BRIDGE = 'holdfast0';
const FOREIGN = '-s 203.0.113.9 -j DROP';

export const policy: FirewallPolicy = {
  bridge: BRIDGE,
  accepts: [
    { source: '10.213.0.5', destination: '10.213.0.3', port: 5432, purpose: 'binding/wiki-postgresql' },
    { source: '10.213.0.5', destination: '10.213.0.4', port: 6379, purpose: 'binding/wiki-redis' },
  ],
};

export function firewallConformance(
  name: string,
  make: (families: readonly (4 | 6)[]) => Promise<FirewallUnderTest>,
): void {
  const test = suite(`Firewall driver: ${name}`);
  let under: FirewallUnderTest;
  let firewall: Firewall;
  test.before.each(async () => {
    under = await make([4]);
    firewall = under.firewall;
  });
  test.after.each(() => under.cleanup());

  const ipv4 = async (): Promise<FamilyState> => {
    const found = (await firewall.state(BRIDGE)).families.find(({ family }) => family === 4);
    assert.ok(found);
    return found;
  };

  test('before Docker has started there is nothing to hook into, and writing says so', async () => {
    const { hooked, rules, called, dockerRules } = await ipv4();
    assert.equal(
      { hooked, rules, called, dockerRules },
      {
        hooked: false,
        rules: undefined,
        called: false,
        dockerRules: false,
      },
    );
    await rejects('unavailable', firewall.write(policy), /DOCKER-USER/);
  });

  test('what was written is what is read, and it is called', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    const { hooked, rules, called, dockerRules } = await ipv4();
    assert.equal(rules, wantedRules(policy, 4));
    assert.equal({ hooked, called, dockerRules }, { hooked: true, called: true, dockerRules: true });
    assert.match((await firewall.state(BRIDGE)).version ?? '', /^iptables \d/);
  });

  test('writing again takes the place of what was there', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    const less = { ...policy, accepts: policy.accepts.slice(1) };
    await firewall.write(less);
    await firewall.write(less);
    const { rules, called } = await ipv4();
    assert.equal(rules, wantedRules(less, 4));
    assert.ok(called);
  });

  test('rules of others stay where they are', async () => {
    await under.dockerStarts();
    await under.addForeign('DOCKER-USER', FOREIGN, 'first');
    await under.addForeign('FORWARD', FOREIGN);
    await firewall.write(policy);
    await firewall.write({ ...policy, accepts: [] });
    assert.is((await under.rules('DOCKER-USER')).filter((rule) => rule.includes('203.0.113.9')).length, 1);
    assert.is((await under.rules('FORWARD')).filter((rule) => rule.includes('203.0.113.9')).length, 1);
    await firewall.remove();
    assert.is((await under.rules('DOCKER-USER')).filter((rule) => rule.includes('203.0.113.9')).length, 1);
  });

  test('a rule that somebody puts before ours for his own ends leaves ours called', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    await under.addForeign('DOCKER-USER', FOREIGN, 'first');
    assert.ok((await ipv4()).called);
  });

  const blockers = ['-j RETURN', `-i ${BRIDGE} -o ${BRIDGE} -j DROP`, `-o ${BRIDGE} -j ACCEPT`];
  for (const rule of blockers) {
    test(`a rule before ours that decides about all of it is seen, and writing puts ours first: ${rule}`, async () => {
      await under.dockerStarts();
      await firewall.write(policy);
      await under.addForeign('DOCKER-USER', rule, 'first');
      assert.not.ok((await ipv4()).called);
      await firewall.write(policy);
      assert.ok((await ipv4()).called);
      assert.is((await under.rules('DOCKER-USER')).filter((one) => one.includes('HOLDFAST')).length, 1);
    });
  }

  test('a flush is seen, and writing leads to our chain again', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    await under.flush();
    const flushed = await ipv4();
    assert.equal(flushed.rules, []);
    assert.not.ok(flushed.called);
    assert.not.ok(flushed.dockerRules);
    await firewall.write(policy);
    const { rules, called, dockerRules } = await ipv4();
    assert.equal(rules, wantedRules(policy, 4));
    assert.ok(called);
    assert.not.ok(dockerRules, 'our own rules are not taken for those of Docker');
  });

  test('after Docker has started again ours is called, without being called twice', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    await under.flush();
    await firewall.write(policy);
    await under.dockerStarts();
    const { rules, called, dockerRules } = await ipv4();
    assert.equal({ called, dockerRules }, { called: true, dockerRules: true });
    assert.equal(rules, wantedRules(policy, 4));
  });

  test('an address that is none changes nothing', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    const bad = [{ source: '10.213.0.5', destination: 'fd00::1', port: 1, purpose: 'binding/x' }];
    await rejects('invalid', firewall.write({ ...policy, accepts: bad }), /no two addresses/);
    const quote = [{ source: '10.213.0.5', destination: '10.213.0.6', port: 1, purpose: 'a" -j ACCEPT' }];
    await rejects('invalid', firewall.write({ ...policy, accepts: quote }), /comment/);
    assert.equal((await ipv4()).rules, wantedRules(policy, 4));
  });

  test('removing takes our chain and its call, and twice is success', async () => {
    await under.dockerStarts();
    await firewall.write(policy);
    await firewall.remove();
    await firewall.remove();
    const { hooked, rules, called } = await ipv4();
    assert.equal({ hooked, rules, called }, { hooked: true, rules: undefined, called: false });
    assert.equal(await under.rules('DOCKER-USER'), ['-j RETURN']);
  });

  test('500 ways are written and read', async () => {
    await under.dockerStarts();
    const accepts = Array.from({ length: 500 }, (_, index) => ({
      source: `10.213.${Math.floor(index / 250)}.${(index % 250) + 1}`,
      destination: '10.213.9.1',
      port: 5432,
      purpose: `binding/app-${index}`,
    }));
    await firewall.write({ ...policy, accepts });
    assert.equal((await ipv4()).rules, wantedRules({ ...policy, accepts }, 4));
  });

  test('where Docker uses IPv6, each address is in the table of its own family', async () => {
    await under.cleanup();
    under = await make([4, 6]);
    firewall = under.firewall;
    await under.dockerStarts();
    const accepts = [
      ...policy.accepts,
      { source: 'fd00::5', destination: 'fd00::3', port: 5432, purpose: 'binding/wiki-postgresql' },
    ];
    await firewall.write({ ...policy, accepts });
    const { families } = await firewall.state(BRIDGE);
    assert.equal(
      families.map(({ family, called, rules }) => ({ family, called, rules })),
      [
        { family: 4, called: true, rules: wantedRules({ ...policy, accepts }, 4) },
        { family: 6, called: true, rules: wantedRules({ ...policy, accepts }, 6) },
      ],
    );
    await firewall.remove();
  });

  test.run();
}
