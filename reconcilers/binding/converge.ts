/** Does one step for a Binding. Each may be done twice. */
import { timestamp } from '../../controller/clock.ts';
import type { Run } from '../../controller/engine/contract.ts';
import { ANNOTATION, API_VERSION } from '../../resources/document.ts';
import { newPassword } from '../password.ts';
import { PASSWORD_KEY } from '../secret-value.ts';
import type { Writing } from '../world.ts';
import type { BindingStep } from './diff.ts';

export async function convergeBinding({ work }: BindingStep, world: Writing, run: Run): Promise<void> {
  const { databases, clock } = world;
  switch (work.type) {
    case 'CreateAddon':
      return work.owner
        ? run.documents.apply(work.owner, work.manifest)
        : run.documents.create(work.manifest);
    case 'CreateCredentials':
      return run.documents.apply(work.owner, {
        apiVersion: API_VERSION,
        kind: 'Secret',
        metadata: {
          name: work.secret,
          ...(work.rotatedAt === undefined
            ? {}
            : { annotations: { [ANNOTATION.rotatedAt]: work.rotatedAt } }),
        },
        spec: { stringData: { [PASSWORD_KEY]: newPassword(clock) } },
      });
    case 'ProvisionAccount':
      // Where it is made is on disk before: the Binding may name another Addon by now, and nobody else would ever close this one.
      await run.checkpoint(work.account.name);
      return databases.provision(work.server, { ...work.account, now: timestamp(clock) });
    case 'KeepAccount':
      return databases.keep(work.server, { name: work.name, now: timestamp(clock) });
    case 'DropAccount':
      return databases.drop(work.server, work.name);
    case 'DeleteAddon':
      return run.documents.delete({ kind: 'Addon', name: work.name }, { data: work.data });
  }
}
