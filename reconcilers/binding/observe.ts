/** Looks at the account in its server. All Bindings of a server that look at the same time ask one question. */
import type { Account } from '../drivers/database/index.ts';
import type { Reading } from '../world.ts';
import type { BindingWant } from './want.ts';

export interface BindingHave {
  /** undefined: there is none, or nobody could be asked. */
  account?: Account;
  /** The server was asked. */
  isKnown: boolean;
}

export async function observeBinding(want: BindingWant, { databases }: Reading): Promise<BindingHave> {
  const { server, blocked, waiting, account, deleting, addon } = want;
  if (!server || blocked) return { isKnown: false };
  // What is to go is looked for also in a server that is not well; one that goes itself takes all with it.
  if (deleting ? addon?.metadata.deletionTimestamp !== undefined : waiting !== undefined)
    return { isKnown: false };
  const found = (await databases.accounts(server)).find(({ name }) => name === account.name);
  return { isKnown: true, ...(found ? { account: found } : {}) };
}
