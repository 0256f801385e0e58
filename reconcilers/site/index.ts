/**
 * The reconciler of Sites. There is one nginx, so all Sites are one key: what many of them change is tested once and
 * loaded once. Registered in main.ts.
 */
import type { Reconciler } from '../../controller/engine/contract.ts';
import { convergeSites, type SiteWriting } from './converge.ts';
import { diffSites } from './diff.ts';
import { type Have, observeSites, type SiteReading } from './observe.ts';
import { statusOfSites } from './status.ts';
import type { SiteStep } from './steps.ts';
import { type Want, wantSites } from './want.ts';

const KEY = 'nginx';
/** Certificates come due, and nobody tells when. */
const LOOK_AGAIN_SECONDS = 3600;

export type SiteReconciler = Reconciler<Want, Have, SiteStep, SiteReading, SiteWriting>;

export const siteReconciler: SiteReconciler = {
  kind: 'Site',
  parallelism: 1,
  finalizer: 'holdfast.dev/site',
  watches: ['Platform', 'Certificate', 'Domain', 'Key'],
  always: [KEY],
  settleMilliseconds: 150,
  key: () => KEY,
  wakes: () => [KEY],
  // Without Sites too: nginx stands, and answers to nobody's name with nothing.
  want: (_key, view) => wantSites(view),
  documents: (want) => want.documents,
  observe: observeSites,
  diff: diffSites,
  converge: convergeSites,
  status: statusOfSites,
  requeueAfterSeconds: () => LOOK_AGAIN_SECONDS,
};
