/**
 * The outside world in two halves. `observe` and plans are given Reading; only `converge` is given Writing.
 * main.ts builds both; a simulation builds both from fakes.
 */
import type { Clock } from '../controller/clock.ts';
import type { HealthReading } from './app/health.ts';
import type { AcmeReading, AcmeWriting } from './drivers/acme/index.ts';
import type { AddressReading } from './drivers/address/index.ts';
import type { CaaReading } from './drivers/caa/index.ts';
import type { DatabaseReading, DatabaseWriting } from './drivers/database/index.ts';
import type { DnsReading, DnsWriting, LookupReading } from './drivers/dns/index.ts';
import type { ContainerDetails, DockerReading, DockerWriting } from './drivers/docker/index.ts';
import type { FirewallReading, FirewallWriting } from './drivers/firewall/index.ts';
import type { HostReading, HostWriting } from './drivers/host/index.ts';
import type { NginxReading, NginxWriting } from './drivers/nginx/index.ts';
import type { Probe } from './drivers/probe/index.ts';
import type { Semaphore } from './drivers/semaphore.ts';
import type { DiskReading } from './platform/disk-monitor.ts';

/** Values that are unique in a pool and survive a crash (the store's leases). */
export interface LeaseReading {
  of(pool: string, owner: string): string | undefined;
  all(pool: string): Map<string, string>;
}

export interface LeaseWriting {
  lease(pool: string, owner: string, candidates: Iterable<string>): Promise<string | undefined>;
  release(pool: string, owner: string): Promise<void>;
}

/** The platform's own certificate authority, as far as it can be looked at. */
export interface AuthorityReading {
  /** The certificate kept for exactly these names, if it is valid now and not due for renewal. */
  find(hosts: readonly string[]): Promise<IssuedCertificate | undefined>;
}

export interface AuthorityWriting {
  issue(hosts: readonly string[]): Promise<IssuedCertificate>;
}

export interface IssuedCertificate {
  /** Subject of who signed it. */
  issuer: string;
  /** RFC 3339. */
  notAfter: string;
  /** SHA-256 in hex. */
  fingerprint: string;
  /** Name under which nginx finds it. */
  name: string;
  paths: { certificate: string; key: string };
}

export interface Settings {
  /** /var/lib/holdfast. */
  stateFolder: string;
  /** Version of the program. */
  version: string;
}

/** What documents said before: the revisions that are kept. */
export interface HistoryReading {
  /** Newest first, the present one among them. */
  specs(kind: string, name: string): Iterable<Record<string, unknown>>;
}

/** Docker as it is known from one list and the event stream. */
export interface DockerKnowledge extends DockerReading {
  /** An event said that its settings may have changed. */
  needsLook(id: string): boolean;
  /** What was told of the containers of this document since they last fitted, in words. */
  heard(uid: string): string | undefined;
  /** It was looked at and does not fit: the next look is at the engine's own answer, which may be another by then. */
  doubt(id: string): void;
  /** It was looked at and fits. */
  looked(id: string, details?: ContainerDetails): void;
}

export interface Reading {
  readonly settings: Settings;
  readonly docker: DockerKnowledge;
  readonly nginx: NginxReading;
  readonly host: HostReading;
  readonly health: HealthReading;
  readonly leases: LeaseReading;
  readonly authority: AuthorityReading;
  readonly acme: AcmeReading;
  readonly caa: CaaReading;
  readonly dns: DnsReading;
  readonly lookup: LookupReading;
  readonly address: AddressReading;
  readonly disk: DiskReading;
  readonly history: HistoryReading;
  readonly firewall: FirewallReading;
  readonly databases: DatabaseReading;
  /** What time it is, for schedules and for what has an end. */
  readonly clock: Pick<Clock, 'now'>;
}

export interface Writing {
  readonly settings: Settings;
  readonly docker: DockerReading & DockerWriting;
  readonly nginx: NginxReading & NginxWriting;
  readonly host: HostReading & HostWriting;
  readonly leases: LeaseReading & LeaseWriting;
  readonly authority: AuthorityReading & AuthorityWriting;
  readonly acme: AcmeReading & AcmeWriting;
  readonly caa: CaaReading;
  readonly dns: DnsReading & DnsWriting;
  readonly firewall: FirewallReading & FirewallWriting;
  readonly databases: DatabaseReading & DatabaseWriting;
  /** Databases start one after another: who starts one holds it until that answers. */
  readonly startTurns: Semaphore;
  readonly probe: Probe;
  readonly clock: Clock;
}
