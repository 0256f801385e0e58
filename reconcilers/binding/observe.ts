/** Looks at the account in its server. All Bindings of a server that look at the same time ask one question. */
import { ReconcileError } from '../../controller/engine/contract.ts';
import type { Account } from '../drivers/database/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import type { BindingWant, LeftAccount } from './want.ts';

export interface BindingHave {
  /** undefined: there is none, or nobody could be asked. */
  account?: Account;
  /** The server was asked. */
  isKnown: boolean;
  /** Of what it had before: what is not locked yet, or could not be asked for. */
  left: (LeftAccount & { isOpen: boolean })[];
}

export async function observeBinding(want: BindingWant, world: Reading): Promise<BindingHave> {
  if (want.unclosable) throw new ReconcileError('waiting', want.unclosable.reason, want.unclosable.message);
  return { ...(await observeAccount(want, world)), left: await observeLeft(want, world) };
}

/** A server that is away keeps nobody from the account that is wanted now; only a Binding that goes must not leave one open. */
async function observeLeft(
  { left, deleting }: BindingWant,
  { databases }: Reading,
): Promise<BindingHave['left']> {
  const seen = left.map(async (one) => {
    if (!one.server) return { ...one, isOpen: false };
    try {
      const found = (await databases.accounts(one.server)).find(({ name }) => name === one.account);
      return found?.state === 'bound' ? { ...one, isOpen: true } : [];
    } catch (error) {
      if (deleting || !(error instanceof DriverError)) throw error;
      return { ...one, isOpen: false };
    }
  });
  return (await Promise.all(seen)).flat();
}

async function observeAccount(want: BindingWant, { databases }: Reading): Promise<Omit<BindingHave, 'left'>> {
  const { server, blocked, waiting, account, deleting, addon } = want;
  if (!server || blocked) return { isKnown: false };
  // What is to go is looked for also in a server that is not well; one that goes itself takes all with it.
  if (deleting ? addon?.metadata.deletionTimestamp !== undefined : waiting !== undefined)
    return { isKnown: false };
  const found = (await databases.accounts(server)).find(({ name }) => name === account.name);
  return { isKnown: true, ...(found ? { account: found } : {}) };
}
