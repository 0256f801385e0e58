/**
 * An authority that speaks ACME (RFC 8555), such as Let's Encrypt: what it is asked, in two halves. Keys and the URLs of orders are
 * the caller's to keep, and every call says which account it speaks for. An account is its key: what the authority calls it is
 * found by that. The reconciler of Certificates calls it.
 */
import { DriverError, type DriverErrorCode } from '../error.ts';

/** Where an authority answers, and whom to believe that it is the one. */
export interface AcmeServer {
  /** URL of its directory. */
  directory: string;
  /** PEM of the authority that signed its own certificate, where that is none of those that everybody knows. */
  ca?: string;
}

export interface AcmeAccount {
  server: AcmeServer;
  /** PEM. */
  key: string;
}

export interface AcmeTerms {
  /** Names that a CAA record must have for this authority to issue. Empty where it does not tell. */
  caaIdentities: readonly string[];
  /** Accounts need an external account binding. */
  needsBinding: boolean;
}

export type ChallengeType = 'http-01' | 'dns-01';

export interface AcmeProblem {
  /** The last part of the urn, such as rateLimited; empty where it is none of ACME's. */
  type: string;
  message: string;
}

export interface AcmeChallenge {
  type: ChallengeType;
  url: string;
  status: 'pending' | 'processing' | 'valid' | 'invalid';
  /** What must be found: the body of the answer for http-01, the text of the TXT record for dns-01. */
  value: string;
  problem?: AcmeProblem;
}

/** What the authority wants to see for one name. */
export interface AcmeAuthorization {
  /** As in the order: *.example.com for a wildcard. */
  host: string;
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
  challenges: readonly AcmeChallenge[];
}

export interface AcmeOrder {
  url: string;
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  hosts: readonly string[];
  /** Only while they matter: for an order that is pending or invalid. */
  authorizations: readonly AcmeAuthorization[];
  /** RFC 3339. */
  expires?: string;
  problem?: AcmeProblem;
}

export interface AcmeReading {
  terms(server: AcmeServer): Promise<AcmeTerms>;
  /** Whether the authority has an account of this key. Known once, it is believed until a call says otherwise. */
  isRegistered(account: AcmeAccount): Promise<boolean>;
  /** undefined: the authority knows no such order of this account. */
  order(account: AcmeAccount, url: string): Promise<AcmeOrder | undefined>;
}

export interface AcmeWriting {
  /** A new private key (ECDSA P-256), PEM. Nobody is told of it. */
  newKey(): Promise<string>;
  /**
   * Makes the account of this key where there is none. The terms of service are agreed to: whoever names the authority in a
   * Domain does that.
   */
  register(
    account: AcmeAccount,
    options: { email?: string; binding?: { kid: string; hmacKey: string } },
  ): Promise<void>;
  /**
   * Orders a certificate for exactly these names. With `find`, an order of theirs that is there already and not finalized is taken,
   * as far as the authority lists them: after a crash between asking and keeping the answer.
   */
  placeOrder(
    account: AcmeAccount,
    hosts: readonly string[],
    options?: { find?: boolean },
  ): Promise<AcmeOrder>;
  /** Tells the authority to look now. Answered already is success. */
  answer(account: AcmeAccount, challenges: readonly string[]): Promise<void>;
  /** Asks for the certificate of an order that is ready. */
  finalize(
    account: AcmeAccount,
    order: string,
    csr: { hosts: readonly string[]; key: string },
  ): Promise<void>;
  /** The chain of an order that is valid, PEM, its own certificate first. */
  download(account: AcmeAccount, order: string): Promise<string>;
}

export interface Acme extends AcmeReading, AcmeWriting {}

/** What the authority said no to, or why it said nothing. */
export class AcmeError extends DriverError {
  /** The last part of the urn, such as rateLimited or accountDoesNotExist; empty where it is none of ACME's. */
  readonly type: string;
  /** Milliseconds since 1970: not to be asked again before. */
  readonly retryAt: number | undefined;
  constructor(
    code: DriverErrorCode,
    message: string,
    more: { type?: string; retryAt?: number; cause?: unknown } = {},
  ) {
    super(code, message, more.cause === undefined ? {} : { cause: more.cause });
    this.name = 'AcmeError';
    this.type = more.type ?? '';
    this.retryAt = more.retryAt;
  }
}
