/** The steps that keep nginx as the Sites say. Plain data: what converge needs is in them, documents are not looked at again. */
import type { Step } from '../../controller/engine/contract.ts';

export interface IssueCertificate extends Step {
  readonly type: 'IssueCertificate';
  readonly hosts: readonly string[];
}

/** One for all Sites: nginx is tested and loaded once, however many of them changed. */
export interface PublishSites extends Step {
  readonly type: 'PublishSites';
  /** The whole set, path and text. Not printed. */
  readonly files: readonly (readonly [string, string])[];
  readonly version: string;
}

export interface StartNginx extends Step {
  readonly type: 'StartNginx';
}

/** The package of nginx was upgraded: the new program takes the sockets of the one that runs. */
export interface UpgradeNginx extends Step {
  readonly type: 'UpgradeNginx';
}

export interface RemoveCertificate extends Step {
  readonly type: 'RemoveCertificate';
  readonly name: string;
}

export type SiteStep = IssueCertificate | PublishSites | StartNginx | UpgradeNginx | RemoveCertificate;
