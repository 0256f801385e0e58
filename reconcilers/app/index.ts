/** The reconciler of App: from a document to a container that serves, and stays that way. */
import type { Reconciler, View } from '../../controller/engine/contract.ts';
import { condition, type Document } from '../../resources/document.ts';
import { isWithin } from '../../resources/domain.ts';
import type { AppSpec } from '../../resources/generated.ts';
import type { Reading, Writing } from '../world.ts';
import { convergeApp } from './converge.ts';
import { type AppStep, diffApp, obstacle, partMissing, waitsFor } from './diff.ts';
import { appNotices } from './notices.ts';
import { type AppHave, observeApp } from './observe.ts';
import { leadsHere } from './records.ts';
import { appStatus } from './status.ts';
import { type AppWant, appWant } from './want.ts';

export const APP_FINALIZER = 'holdfast.dev/app';
const CRASH_RECHECK_SECONDS = 15;
/** Nobody tells when somebody's domain is pointed here. */
const ALIAS_RECHECK_SECONDS = 120;

export const appReconciler: Reconciler<AppWant, AppHave, AppStep, Reading, Writing> = {
  kind: 'App',
  // Looking costs next to nothing and Docker bounds its own calls, so that many Apps come to know their sites at once and
  // nginx is reloaded once.
  parallelism: 256,
  finalizer: APP_FINALIZER,
  watches: ['App', 'Site', 'Binding', 'Task', 'Secret', 'Platform', 'Domain', 'DNSRecord', 'Certificate'],
  key: ({ metadata }) => metadata.name,
  wakes,
  want: appWant,
  documents: ({ document }) => [document],
  observe: observeApp,
  diff: diffApp,
  converge: convergeApp,
  status: appStatus,
  notices: appNotices,
  isWaiting: (want, have) => Boolean(obstacle(want, have) ?? waitsFor(want, have) ?? partMissing(want, have)),
  // Docker tells nothing when a container that it starts again and again is given up or comes up, or cannot be removed.
  // Nor does anybody tell when a port becomes free, or an alias is pointed here.
  requeueAfterSeconds: (want, { containers, takenPorts, aliases }) => {
    if (
      takenPorts.length > 0 ||
      containers.some(({ state }) => state === 'restarting' || state === 'removing')
    )
      return CRASH_RECHECK_SECONDS;
    const allHere = aliases.every((alias) => leadsHere(alias, want.host, want.names.addresses));
    return allHere ? undefined : ALIAS_RECHECK_SECONDS;
  },
};

function wakes(changed: Document, view: View): readonly string[] {
  const { kind, metadata } = changed;
  if (kind === 'Site') return [metadata.name];
  if (kind === 'DNSRecord')
    return (metadata.ownerReferences ?? []).filter((owner) => owner.kind === 'App').map(({ name }) => name);
  if (kind === 'Binding') return [String(changed.spec['app'])];
  // How it runs is no business of the App's; that it is gone is what a deletion waits for.
  if (kind === 'Task') return view.get('Task', metadata.name) ? [] : [String(changed.spec['app'])];
  const apps = view.list('App');
  if (kind === 'Certificate') return names(apps.filter(readsCertificate));
  const waiting = (document: Document) => isWaiting(document);
  if (kind === 'App')
    return names(apps.filter((app) => app.metadata.name !== metadata.name && hasConflict(app)));
  if (kind === 'Platform') return names(apps);
  if (kind === 'Domain') return names(apps.filter((app) => waiting(app) || isIn(app, metadata.name)));
  const binding = ofBinding(changed, view);
  return [
    ...(binding ? [String(binding.spec['app'])] : []),
    ...names(apps.filter((app) => waiting(app) || mentions(app, metadata.name))),
  ];
}

function readsCertificate({ spec }: Document): boolean {
  const { manifest, addons } = spec as Pick<AppSpec, 'manifest' | 'addons'>;
  return addons?.tls !== undefined || manifest?.addons?.tls !== undefined;
}

/** The Binding whose password a Secret holds. */
function ofBinding({ metadata }: Document, view: View): Document | undefined {
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'Binding');
  return owner && view.get('Binding', owner.name);
}

function names(documents: readonly Document[]): string[] {
  return documents.map(({ metadata }) => metadata.name);
}

function isIn(app: Document, domain: string): boolean {
  const { domain: own, aliases } = app.spec as { domain?: string; aliases?: readonly string[] };
  return own === domain || (aliases ?? []).some((alias) => isWithin(alias, domain));
}

function hasConflict(app: Document): boolean {
  const reason = condition(app, 'Ready')?.reason;
  return reason === 'LocationConflict' || reason === 'PortConflict' || reason === 'PortInUse';
}

function isWaiting(app: Document): boolean {
  return condition(app, 'Ready')?.reason === 'ReferenceNotFound';
}

/** Whether an App takes anything from this Secret. */
function mentions(app: Document, secret: string): boolean {
  const { env, imagePullSecret } = app.spec as { env?: unknown; imagePullSecret?: unknown };
  if (imagePullSecret === secret) return true;
  if (!Array.isArray(env)) return false;
  return env.some((entry) => entry?.valueFrom?.secretKeyRef?.name === secret);
}
