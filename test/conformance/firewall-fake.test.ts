import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { BRIDGE, firewallConformance } from './firewall.suite.ts';

firewallConformance('fake', async (families) => {
  const firewall = createFakeFirewall();
  const table = () => {
    const found = firewall.kernel.tables.get(4);
    if (!found) throw new Error('a fake without IPv4');
    return found;
  };
  return {
    firewall,
    dockerStarts: async () => firewall.dockerStarts(BRIDGE, families),
    flush: async () => firewall.flush(),
    addForeign: async (chain, rule, where = 'last') => {
      const rules = table().get(chain) ?? [];
      table().set(chain, where === 'first' ? [rule, ...rules] : [...rules, rule]);
    },
    rules: async (chain) => table().get(chain) ?? [],
    cleanup: async () => undefined,
  };
});
