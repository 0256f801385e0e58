/** What can honestly be said of a Binding. Pure. Never the password, and of it only a digest. */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import type { AddonStatus } from '../../resources/generated.ts';
import { type BindingStep, isReachable, rotationIsDue } from './diff.ts';
import type { BindingHave } from './observe.ts';
import type { BindingWant } from './want.ts';

export function bindingStatus(
  want: BindingWant,
  have: BindingHave | undefined,
  outcome: Outcome<BindingStep>,
): StatusDraft[] {
  const { document, blocked } = want;
  const ready: ConditionDraft = { type: 'Ready', ...verdict(want, have, outcome) };
  return [
    { document, conditions: [ready], ...(blocked ? { blocked } : {}), fields: fields(want, have, outcome) },
  ];
}

function verdict(
  want: BindingWant,
  have: BindingHave | undefined,
  { pending, failure }: Outcome<BindingStep>,
): Omit<ConditionDraft, 'type'> {
  const no = (reason: string, message: string) => ({ status: 'False' as const, reason, message });
  if (want.deleting)
    return no('Deleting', failure ? `${failure.reason}: ${failure.message}` : 'it is being taken down');
  const known = want.blocked ?? want.waiting;
  if (known) return no(known.reason, known.message);
  if (!have) {
    const message = `it is not known how it is: ${failure?.message ?? 'it was not looked at yet'}`;
    return { status: 'Unknown', reason: failure?.reason ?? 'NotLookedAt', message };
  }
  if (failure) return no(failure.reason, failure.message);
  if (pending[0]) return no('Progressing', pending[0].message);
  if (!have.account) return no('AddonNotReady', `waits for addon/${want.document.spec.addon}`);
  return { status: 'True', reason: 'Provisioned', message: `app/${want.document.spec.app} has its account` };
}

/** Written before an account is made, so that it is found again wherever the Binding goes. */
function placeFields(want: BindingWant, have: BindingHave | undefined, isQuiet: boolean) {
  const { document, server, account, left } = want;
  const { addon, account: known } = document.status ?? {};
  const isMoved = addon !== document.spec.addon || known?.username !== account.name;
  const isDone = have !== undefined && isQuiet && isReachable(want, have);
  const isLeft = ({ isOpen }: { isOpen: boolean }) => !(isOpen && isDone);
  const previous = (have?.left.filter(isLeft) ?? left).map((one) => ({
    addon: one.addon,
    account: one.account,
  }));
  return {
    addon: server ? document.spec.addon : isMoved ? undefined : addon,
    previous: previous.length > 0 ? previous : undefined,
  };
}

function fields(
  want: BindingWant,
  have: BindingHave | undefined,
  { pending, failure }: Outcome<BindingStep>,
): Record<string, unknown> {
  const { document, addon, account, host, secret } = want;
  const { address, port } = (addon?.status ?? {}) as AddonStatus;
  const before = document.status;
  const found = have?.account;
  const isQuiet = pending.length === 0 && !failure;
  const isDone = found !== undefined && isQuiet && !rotationIsDue(want);
  return {
    address: address ?? before?.address,
    port: port ?? before?.port,
    host,
    account: {
      username: account.name,
      ...(account.database === undefined ? {} : { database: account.database }),
      ...(account.prefix === undefined ? {} : { prefix: account.prefix }),
    },
    ...placeFields(want, have, isQuiet),
    secret: secret.name,
    credential: have?.isKnown ? found?.credential : before?.credential,
    ...(isDone && secret.rotatedAt !== undefined ? { rotatedAt: secret.rotatedAt } : {}),
  };
}
