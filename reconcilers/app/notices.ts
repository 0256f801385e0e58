/** What happened to an App's container that no step of ours did: it was started again. Pure; each becomes an event. */
import type { Notice } from '../../controller/engine/contract.ts';
import { isUp } from '../container/seen.ts';
import type { AppStep } from './diff.ts';
import type { AppHave } from './observe.ts';
import type { AppWant } from './want.ts';

/** Steps after which a container was started at another time than before. */
const STARTING: readonly AppStep['type'][] = ['StartContainer', 'SwitchContainer', 'RestartContainer'];

export function appNotices({ document }: AppWant, have: AppHave, done: readonly AppStep[]): Notice[] {
  const before = document.status?.container;
  const current = have.containers.find(isUp);
  const { startedAt, restartCount = 0 } = current?.details ?? {};
  if (!current || startedAt === undefined || before?.id !== current.id) return [];
  if (before.startedAt === undefined || before.startedAt === startedAt) return [];
  if (done.some(({ type }) => STARTING.includes(type))) return [];
  // Docker counts those that its restart policy did; the count begins anew when somebody starts it.
  const isPolicy = restartCount > (before.restarts ?? 0);
  const who = isPolicy ? 'Docker, because it had ended' : 'somebody else, or by Docker after it was down';
  return [
    {
      document,
      type: isPolicy ? 'Warning' : 'Normal',
      reason: 'ContainerRestarted',
      message: `its container was started again by ${who}`,
      because: [
        {
          field: 'container.startedAt',
          found: startedAt,
          wanted: before.startedAt,
          cause: 'drift',
          ...(have.heard === undefined ? {} : { known: have.heard }),
        },
      ],
    },
  ];
}
