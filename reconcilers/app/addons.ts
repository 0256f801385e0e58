/**
 * What an App needs of addons, from documents alone: the Bindings that it is to have, what their accounts bring to its container, and
 * what it waits for. Pure; part of want.ts.
 */

import type { View } from '../../controller/engine/contract.ts';
import { ADDONS, serverVariables } from '../../resources/addons.ts';
import { type Binding, bindingName, bindingSecretName } from '../../resources/binding.ts';
import { credentialDigest } from '../../resources/credential.ts';
import { API_VERSION, condition, type Document, type Json, type Manifest } from '../../resources/document.ts';
import type { EffectiveApp, ServerChoice } from '../../resources/effective.ts';
import { changedFields } from '../container/canonical.ts';
import { PASSWORD_KEY, secretValue } from '../secret-value.ts';
import type { Obstacle } from './want.ts';

export interface WantedBinding {
  manifest: Manifest;
  found?: Document;
}

type Spec = Readonly<Record<string, Json>>;

export interface AddonsWant {
  bindings: WantedBinding[];
  /** Bindings of this App that it asks for no more. */
  unwanted: Document[];
  /** Variables of the accounts that are there. */
  env: Record<string, string>;
  /** Host name → address, for the container's own table of hosts. */
  hosts: Record<string, string>;
  /** It asks for what nobody serves: a person must change something. */
  unavailable?: Obstacle;
  /** The first that is not ready yet. */
  waiting?: Obstacle;
}

export function addonsWant(document: Document, app: EffectiveApp, view: View): AddonsWant {
  const { name, uid, deletionTimestamp } = document.metadata;
  const owned = view.childrenOf('Binding', uid);
  if (deletionTimestamp) return { bindings: [], unwanted: [...owned], env: {}, hosts: {} };
  const bindings = app.servers.map((server) => wantedBinding(name, server, view));
  const names = new Set(bindings.map(({ manifest }) => manifest.metadata.name));
  const unavailable = firstMissing(app);
  const obstacles = bindings.flatMap((binding) => obstacleOf(binding, view) ?? []);
  const given = bindings.map(({ found }) => access(found, view));
  return {
    bindings,
    unwanted: owned.filter(({ metadata }) => !names.has(metadata.name)),
    env: Object.assign({}, ...given.map(({ env }) => env)),
    hosts: Object.assign({}, ...given.map(({ hosts }) => hosts)),
    ...(unavailable ? { unavailable } : {}),
    ...(obstacles[0] ? { waiting: obstacles[0] } : {}),
  };
}

function wantedBinding(app: string, { type, addon, options }: ServerChoice, view: View): WantedBinding {
  const name = bindingName(app, type);
  const found = view.get('Binding', name);
  const some = Object.keys(options).length > 0;
  const spec = { app, addon, type, ...(some ? { options: { ...options } } : {}) };
  const manifest = { apiVersion: API_VERSION, kind: 'Binding', metadata: { name }, spec };
  return { manifest, ...(found ? { found } : {}) };
}

function firstMissing({ addons }: EffectiveApp): Obstacle | undefined {
  for (const name of addons) {
    const facts = ADDONS[name];
    if (facts && facts.serving !== 'later') continue;
    const message = `it asks for the addon ${name}, which is not there: ${facts?.missing ?? 'nobody knows it'}`;
    return { reason: 'AddonNotAvailable', message };
  }
  return undefined;
}

/** Why the account cannot be used yet. What a Binding says of itself is passed on with its reason, where nobody can serve it. */
function obstacleOf({ manifest, found }: WantedBinding, view: View): Obstacle | undefined {
  const { name } = manifest.metadata;
  const notReady = (why: string): Obstacle => ({
    reason: 'AddonNotReady',
    message: `waits for binding/${name}: ${why}`,
  });
  if (!found) return notReady('it is about to be made');
  if (found.metadata.deletionTimestamp) return notReady('the one before is still being removed');
  // What it says is of another account.
  if (changedFields(found.spec as Spec, manifest.spec as Spec).length > 0)
    return notReady('it is about to be changed');
  const ready = condition(found, 'Ready');
  if (ready?.observedGeneration !== found.metadata.generation) return notReady('it was not looked at yet');
  if (ready.status !== 'True') {
    const reason = ready.reason === 'AddonNotAvailable' ? 'AddonNotAvailable' : 'AddonNotReady';
    return { ...notReady(ready.message), reason };
  }
  const password = secretValue(view.get('Secret', bindingSecretName(name)), PASSWORD_KEY);
  if (password === undefined) return notReady('its password is about to be made');
  const known = (found as unknown as Binding).status?.credential;
  return known === credentialDigest(password) ? undefined : notReady('its password is being changed');
}

/** What the account brings, as far as it is known. */
function access(found: Document | undefined, view: View): Pick<AddonsWant, 'env' | 'hosts'> {
  const { spec, status, metadata } = (found ?? {}) as unknown as Partial<Binding>;
  const password =
    metadata && secretValue(view.get('Secret', bindingSecretName(metadata.name)), PASSWORD_KEY);
  const { host, port, address, account } = status ?? {};
  if (!spec || password === undefined || !account || !host || !port || !address)
    return { env: {}, hosts: {} };
  const { username = '', database, prefix } = account;
  const env = serverVariables(spec.type, {
    host,
    port,
    username,
    password,
    ...(database === undefined ? {} : { database }),
    ...(prefix === undefined ? {} : { prefix }),
  });
  return { env, hosts: { [host]: address } };
}
