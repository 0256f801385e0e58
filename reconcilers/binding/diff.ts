/** From what a Binding should be and what the server has to the steps between. Pure. */
import type { Because, Step } from '../../controller/engine/contract.ts';
import { credentialDigest } from '../../resources/credential.ts';
import { ANNOTATION, type Json, type Manifest } from '../../resources/document.ts';
import type { DatabaseServer } from '../drivers/database/index.ts';
import type { BindingHave } from './observe.ts';
import type { BindingDocument, BindingWant } from './want.ts';

/** What each step needs to be done. Never printed: it holds secret values. */
export type BindingWork =
  | { type: 'CreateAddon'; manifest: Manifest; owner?: BindingDocument }
  | { type: 'CreateCredentials'; owner: BindingDocument; secret: string; rotatedAt?: string }
  | {
      type: 'ProvisionAccount';
      server: DatabaseServer;
      account: { name: string; app: string; password: string; many: boolean };
    }
  | { type: 'KeepAccount'; server: DatabaseServer; name: string }
  | { type: 'DropAccount'; server: DatabaseServer; name: string }
  | { type: 'DeleteAddon'; name: string; data: boolean };

export interface BindingStep extends Step {
  readonly type: BindingWork['type'];
  readonly work: BindingWork;
}

function step(
  work: BindingWork,
  fields: Omit<BindingStep, 'type' | 'action' | 'impact' | 'work'> &
    Partial<Pick<BindingStep, 'action' | 'impact'>>,
): BindingStep {
  return { action: 'change', impact: 'none', ...fields, type: work.type, work };
}

function because(field: string, found: Json, wanted: Json, cause: string): Because[] {
  return [{ field, found, wanted, cause }];
}

export function diffBinding(want: BindingWant, have: BindingHave): BindingStep[] {
  if (want.deleting) return [...teardown(want, have), ...leave(want, have)];
  if (want.blocked) return [];
  return [
    ...createAddon(want),
    ...credentials(want),
    ...provision(want, have),
    ...(isReachable(want, have) ? leave(want, have) : []),
  ];
}

/** The account is where it is wanted, or about to be. */
export function isReachable(want: BindingWant, { isKnown }: BindingHave): boolean {
  return isKnown && !want.waiting && !rotationIsDue(want);
}

/** Once there is an account where it is wanted, the one before is locked. */
function leave({ document, type }: BindingWant, { left }: BindingHave): BindingStep[] {
  return left.flatMap(({ addon, account, server, isOpen }) => {
    if (!server || !isOpen) return [];
    const cause = `binding/${document.metadata.name} has its account elsewhere`;
    return [
      step(
        { type: 'KeepAccount', server, name: account },
        {
          target: `account/${account}`,
          message: `lock the account ${account} of ${type} in addon/${addon} and keep its data`,
          because: because('account', 'bound', 'kept', cause),
        },
      ),
    ];
  });
}

function createAddon({ newAddon, document, cause }: BindingWant): BindingStep[] {
  if (!newAddon) return [];
  const { manifest, owned } = newAddon;
  const { name } = manifest.metadata;
  const work: BindingWork = { type: 'CreateAddon', manifest, ...(owned ? { owner: document } : {}) };
  return [
    step(work, {
      target: `addon/${name}`,
      action: 'create',
      message: `make addon/${name}, which app/${document.spec.app} is the first to need`,
      because: because('addon', null, name, cause()),
      child: { apply: manifest },
    }),
  ];
}

/** Whether a new password was asked for after the present one was made. */
export function rotationIsDue({ rotateAt, secret }: BindingWant): boolean {
  return rotateAt !== undefined && secret.rotatedAt !== rotateAt;
}

function credentials(want: BindingWant): BindingStep[] {
  const { document, secret, rotateAt } = want;
  const isNew = secret.password === undefined;
  if (!isNew && !rotationIsDue(want)) return [];
  const work: BindingWork = {
    type: 'CreateCredentials',
    owner: document,
    secret: secret.name,
    ...(rotateAt === undefined ? {} : { rotatedAt: rotateAt }),
  };
  const field = isNew ? 'credentials' : `metadata.annotations.${ANNOTATION.rotatedAt}`;
  const cause = isNew ? want.cause() : 'a new password was asked for';
  return [
    step(work, {
      target: `secret/${secret.name}`,
      action: isNew ? 'create' : 'change',
      message: isNew ? 'make a password' : 'make a new password',
      because: because(field, secret.rotatedAt ?? null, rotateAt ?? 'a password', cause),
      replan: true,
      knownLater: ['password'],
    }),
  ];
}

function provision(want: BindingWant, { account, isKnown }: BindingHave): BindingStep[] {
  const { server, secret, document, type } = want;
  if (!server || !isKnown || secret.password === undefined || rotationIsDue(want)) return [];
  const isRight = account?.state === 'bound' && account.credential === credentialDigest(secret.password);
  if (isRight) return [];
  const { name, prefix } = want.account;
  const taken = account?.state === 'kept' ? `, which was kept since ${account.since}` : '';
  const cause =
    account === undefined || account.state === 'kept'
      ? want.cause()
      : 'its password, its rights or its lock differ';
  return [
    step(
      {
        type: 'ProvisionAccount',
        server,
        account: { name, app: document.spec.app, password: secret.password, many: prefix !== undefined },
      },
      {
        target: `account/${name}`,
        action: account ? 'change' : 'create',
        message: account
          ? `set the account ${name} of ${type} right${taken}`
          : `make the account ${name} of ${type}`,
        because: because('account', account?.state ?? null, 'bound', cause),
      },
    ),
  ];
}

function teardown(want: BindingWant, { account, isKnown }: BindingHave): BindingStep[] {
  const { server, document, type, addon, deleteData } = want;
  const cause = `binding/${document.metadata.name} is deleted`;
  if (type === 'redis') return deleteRedis(want, cause);
  if (!server || !isKnown || !addon || !account) return [];
  const { name } = account;
  if (account.state === 'kept' && !deleteData) return [];
  const target = `account/${name}`;
  if (deleteData) {
    return [
      step(
        { type: 'DropAccount', server, name },
        {
          target,
          action: 'delete',
          impact: 'data-loss',
          message: `delete the account ${name} of ${type} with its data`,
          because: because('account', account.state, null, cause),
        },
      ),
    ];
  }
  return [
    step(
      { type: 'KeepAccount', server, name },
      {
        target,
        message: `lock the account ${name} of ${type} and keep its data`,
        because: because('account', account.state, 'kept', cause),
      },
    ),
  ];
}

/** It was made for this Binding alone, unless a person wrote it. */
function deleteRedis({ addon, document, deleteData }: BindingWant, cause: string): BindingStep[] {
  const isOwn = addon?.metadata.ownerReferences?.some(({ uid }) => uid === document.metadata.uid);
  if (!addon || !isOwn || addon.metadata.deletionTimestamp) return [];
  const { name } = addon.metadata;
  return [
    step(
      { type: 'DeleteAddon', name, data: deleteData },
      {
        target: `addon/${name}`,
        action: 'delete',
        impact: deleteData ? 'data-loss' : 'none',
        message: deleteData
          ? `take down addon/${name} with its data`
          : `take down addon/${name} and keep its data`,
        because: because('addon', name, null, cause),
        child: { delete: { kind: 'Addon', name } },
      },
    ),
  ];
}
