/**
 * The shape that every resource document has (Kubernetes API conventions, cluster-scoped).
 * Types only, and the few pure functions on them. Everything in the project may import this file;
 * it imports nothing.
 */

export const API_GROUP = 'holdfast.dev';
export const API_VERSION = 'holdfast.dev/v1';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** What the store keeps about a document. Times are RFC 3339 in UTC with milliseconds. */
export interface Metadata {
  name: string;
  uid: string;
  /** Moves with spec only, from 1. */
  generation: number;
  /** One counter over all kinds, as a decimal string. */
  resourceVersion: string;
  creationTimestamp: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export interface Condition {
  type: string;
  status: ConditionStatus;
  /** One CamelCase word that a machine can match. */
  reason: string;
  /** A sentence that tells a person what to do. */
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

export interface Operation {
  id: string;
  type: string;
  target?: string;
  generation?: number;
  /** From 1. */
  step?: number;
  steps?: number;
  /** 0 to 100. */
  percent?: number;
  message?: string;
  startedAt: string;
  deadline?: string;
  checkpoint?: Json;
}

/** What is not done for now: a step that loops, or that somebody cancelled. */
export interface StoppedStep {
  reason: string;
  message: string;
  /** Digest by which it is known again. */
  step: string;
  /** RFC 3339. When what loops is done once. */
  retryAt?: string;
  pauseSeconds?: number;
}

export interface StatusBase {
  observedGeneration?: number;
  observedAt?: string;
  conditions?: Condition[];
  operation?: Operation;
  stopped?: StoppedStep;
}

/** A stored document. Frozen deeply by the store: never change one, make another. */
export interface Document<Spec = Record<string, unknown>, Status extends StatusBase = StatusBase> {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  spec: Spec;
  status?: Status;
}

/** What people write: a document without what the store adds. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string } & Partial<Omit<Metadata, 'name'>>;
  spec?: Record<string, unknown>;
  status?: unknown;
}

/** Names a document without its content: `App/wiki`. */
export interface Reference {
  kind: string;
  name: string;
}

/** Stands for a secret value in everything that people see. Coming back in a manifest it means: keep what is stored. */
export const HIDDEN = '(hidden)';

/** Annotations with a meaning to the platform. */
export const ANNOTATION = {
  /** "true": never pruned, and deletion is refused until it is taken off. */
  keep: 'holdfast.dev/keep',
  /** RFC 3339 time: restart once, as far as the container is older than this. */
  restartedAt: 'holdfast.dev/restartedAt',
  /** "true" on a document that is deleted: its data folder goes too. */
  deleteData: 'holdfast.dev/delete-data',
  /** RFC 3339 time: forget that the last rollout failed and try again. */
  retriedAt: 'holdfast.dev/retriedAt',
  /** RFC 3339 time: give the account of this Binding a new password, as far as its own is older. */
  rotatedAt: 'holdfast.dev/rotatedAt',
  /** RFC 3339 time: what waits for a maintenance window since before then may be done now. */
  approvedAt: 'holdfast.dev/approvedAt',
} as const;

/** `app/wiki`, for messages and as a stable id in steps. */
export function refText(document: { kind: string; metadata: { name: string } }): string {
  return `${document.kind.toLowerCase()}/${document.metadata.name}`;
}

export function condition(document: { status?: StatusBase }, type: string): Condition | undefined {
  return document.status?.conditions?.find((entry) => entry.type === type);
}
