/** The steps towards a certificate. Plain data; what each needs to be done is in `work`, which is never printed: it may hold keys. */
import type { Step } from '../../controller/engine/contract.ts';
import type { Manifest, Reference } from '../../resources/document.ts';
import type { AcmeAccount } from '../drivers/acme/index.ts';
import type { Issuance, Kept, OrderFailure } from './kept.ts';
import type { Pair } from './pem.ts';
import type { CertificateWant } from './want.ts';

export type CertificateWork =
  | { type: 'CreateAccountKey'; name: string }
  | {
      type: 'RegisterAccount';
      account: AcmeAccount;
      options: { email?: string; binding?: { kid: string; hmacKey: string } };
    }
  | { type: 'PrepareOrder'; hosts: readonly string[]; directory: string }
  | { type: 'PlaceOrder'; account: AcmeAccount; issuance: Issuance }
  | { type: 'PublishChallenge'; record: Manifest }
  | { type: 'AnswerChallenges'; account: AcmeAccount; order: string; challenges: readonly string[] }
  | { type: 'FinalizeOrder'; account: AcmeAccount; order: string; issuance: Issuance }
  | { type: 'AwaitOrder'; account: AcmeAccount; order: string }
  | { type: 'TakeCertificate'; account: AcmeAccount; order: string; issuance: Issuance }
  | {
      type: 'NoteFailure';
      failure: Omit<OrderFailure, 'at' | 'retryAt' | 'domainGeneration'>;
      limited: boolean;
    }
  | { type: 'ForgetOrder' }
  | { type: 'AskAuthority'; account: AcmeAccount }
  | { type: 'RemoveChallenge'; record: Reference }
  | { type: 'InstallCertificate'; file: string; pair: Pair };

export interface CertificateStep extends Step {
  readonly type: CertificateWork['type'];
  readonly work: CertificateWork;
  /** What the work writes about. Not printed. */
  readonly context: { document: CertificateWant['document']; kept: Kept; domainGeneration: number };
}
