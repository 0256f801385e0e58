/** Secrets: values that Apps take, which change, go away and come back. */
import { API_VERSION } from '../../../resources/document.ts';
import type { Random } from '../../support/random.ts';
import { PRIVATE_AUTH, SECRET } from '../secrets.ts';
import type { Simulation } from '../simulation.ts';
import type { Part } from './part.ts';

export const SECRET_NAMES = ['db', 'api'] as const;
export const REGISTRY_SECRET = 'registry';

export const secretPart: Part = {
  kind: 'Secret',
  disturbances: [
    {
      name: 'a secret is applied',
      weight: 5,
      act(sim, random) {
        const name = random.pick(SECRET_NAMES);
        applySecret(sim, name, secretValues(random));
      },
    },
    {
      name: 'a secret loses a key',
      weight: 1,
      act(sim, random) {
        const name = random.pick(SECRET_NAMES);
        applySecret(sim, name, { other: `${SECRET}-${random.below(1e9)}` });
      },
    },
    {
      name: 'credentials of the registry are applied',
      weight: 2,
      act(sim, random) {
        const right = random.next() < 0.7;
        applySecret(
          sim,
          REGISTRY_SECRET,
          right ? PRIVATE_AUTH : { ...PRIVATE_AUTH, password: `${SECRET}-wrong` },
        );
      },
    },
    {
      name: 'a secret is deleted',
      weight: 1,
      act(sim, random) {
        const name = random.pick([...SECRET_NAMES, REGISTRY_SECRET]);
        sim.people(`delete secret/${name}`, [{ verb: 'delete', reference: { kind: 'Secret', name } }]);
      },
    },
  ],
};

function secretValues(random: Random): Record<string, string> {
  return { password: `${SECRET}-${random.below(1e9)}`, token: `${SECRET}-${random.below(1e9)}` };
}

export function applySecret(sim: Simulation, name: string, stringData: Record<string, string>): void {
  const document = { apiVersion: API_VERSION, kind: 'Secret', metadata: { name }, spec: { stringData } };
  sim.people(`apply secret/${name}`, [{ verb: 'apply', document, manager: 'holdfast' }]);
}
