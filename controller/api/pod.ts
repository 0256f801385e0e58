/**
 * A container of ours as a Pod of Kubernetes, so that kubectl shows it, reads its log and runs commands in it. Pure. A Pod is a
 * view: it is never written, it holds no environment, and what has no truth here (probes, nodes, volumes of a cluster) is left out.
 */
import { API_VERSION, condition, type Document, type StatusBase } from '../../resources/document.ts';
import type { PrinterColumn } from '../../resources/kind.ts';
import type { RunningContainer } from './dependencies.ts';

/** All that is shown is in it: documents here have no namespaces, and clients ask for one. */
export const NAMESPACE = 'default';

/** Labels that every Pod has beside those of its document. */
export const POD_LABEL = {
  kind: 'holdfast.dev/kind',
  name: 'holdfast.dev/name',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export interface Pod extends Document<PodSpec, PodStatus> {
  metadata: Document['metadata'] & { namespace: string };
}

interface PodSpec extends Record<string, unknown> {
  nodeName: string;
  containers: { name: string; image: string; tty: boolean }[];
}

interface PodStatus extends StatusBase {
  phase: string;
  podIP?: string;
  containerStatuses: ContainerStatus[];
}

interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  state: Record<string, Record<string, unknown>>;
}

/** `document` is what the container was made for. Without a version: whoever lists gives it. */
export function podOf(name: string, container: RunningContainer, document: Document, node: string): Pod {
  const { owner, state } = container;
  const isReady = state === 'running' && condition(document, 'Ready')?.status === 'True';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: NAMESPACE,
      uid: uidOf(container.id),
      generation: 1,
      resourceVersion: '',
      creationTimestamp: new Date(container.createdAt).toISOString().replace(/\.\d+Z$/, 'Z'),
      labels: {
        ...document.metadata.labels,
        [POD_LABEL.kind]: owner.kind,
        [POD_LABEL.name]: owner.name,
        [POD_LABEL.managedBy]: 'holdfast',
      },
      ownerReferences: [{ apiVersion: API_VERSION, ...owner, controller: true }],
    },
    spec: specOf(container, node),
    status: statusOf(container, isReady),
  };
  return pod as unknown as Pod;
}

/** The container's name in its Pod: what it was made for. */
export function containerNameOf({ owner }: RunningContainer): string {
  return owner.kind.toLowerCase();
}

function specOf(container: RunningContainer, node: string): object {
  const { image, memory, ports, tty } = container;
  return {
    nodeName: node,
    restartPolicy: 'Always',
    enableServiceLinks: false,
    containers: [
      {
        name: containerNameOf(container),
        image,
        stdin: false,
        tty,
        ...(ports.length > 0 && { ports }),
        resources: memory === undefined ? {} : { limits: { memory: String(memory) } },
      },
    ],
  };
}

function statusOf(container: RunningContainer, isReady: boolean): object {
  const { address, image, imageId, id, startedAt, restarts } = container;
  const phase = phaseOf(container);
  const conditionOf = (type: string, isTrue: boolean) => ({
    type,
    status: isTrue ? 'True' : 'False',
    lastProbeTime: null,
    lastTransitionTime: startedAt ?? new Date(container.createdAt).toISOString(),
  });
  return {
    phase,
    ...(address !== '' && { podIP: address, podIPs: [{ ip: address }] }),
    ...(startedAt !== undefined && { startTime: startedAt }),
    conditions: [
      conditionOf('PodScheduled', true),
      conditionOf('Initialized', true),
      conditionOf('ContainersReady', isReady),
      conditionOf('Ready', isReady),
    ],
    containerStatuses: [
      {
        name: containerNameOf(container),
        image,
        imageID: imageId,
        containerID: `docker://${id}`,
        ready: isReady,
        started: container.state === 'running',
        restartCount: restarts,
        state: stateOf(container),
        lastState: hasEnded(container) && isAlive(container) ? { terminated: endOf(container) } : {},
      },
    ],
  };
}

function phaseOf({ state, exitCode }: RunningContainer): string {
  if (state === 'created') return 'Pending';
  if (state === 'exited') return exitCode === 0 ? 'Succeeded' : 'Failed';
  return state === 'dead' ? 'Failed' : 'Running';
}

function isAlive({ state }: RunningContainer): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}

function stateOf(container: RunningContainer): Record<string, object> {
  const { state, startedAt } = container;
  if (state === 'running') return { running: { startedAt: startedAt ?? null } };
  if (state === 'created') return { waiting: { reason: 'ContainerCreating' } };
  if (state === 'restarting') return { waiting: { reason: 'CrashLoopBackOff' } };
  if (state === 'paused') return { waiting: { reason: 'Paused' } };
  return { terminated: endOf(container) };
}

/** An earlier run of the same container has an end of its own. */
export function hasEnded({ finishedAt }: RunningContainer): boolean {
  return finishedAt !== undefined && !finishedAt.startsWith('0001-');
}

function endOf({ exitCode, oomKilled, startedAt, finishedAt, id }: RunningContainer): object {
  const reason = oomKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error';
  return {
    exitCode,
    reason,
    startedAt: startedAt ?? null,
    finishedAt: finishedAt ?? null,
    containerID: `docker://${id}`,
  };
}

/** Clients want a uid in its usual form; the container's own id is as good as one. */
function uidOf(id: string): string {
  const text = id.padEnd(32, '0');
  return [
    text.slice(0, 8),
    text.slice(8, 12),
    text.slice(12, 16),
    text.slice(16, 20),
    text.slice(20, 32),
  ].join('-');
}

const first = (document: Document): ContainerStatus | undefined =>
  (document as unknown as Pod).status?.containerStatuses[0];

/** As `kubectl get pods` has it: why it waits or how it ended, else the phase. */
function word(document: Document): string {
  const { waiting, terminated } = first(document)?.state ?? {};
  return String(waiting?.['reason'] ?? terminated?.['reason'] ?? (document as unknown as Pod).status?.phase);
}

export const POD_COLUMNS: PrinterColumn[] = [
  { name: 'NAME', value: 'metadata.name' },
  { name: 'READY', value: (document) => `${first(document)?.ready ? 1 : 0}/1` },
  { name: 'STATUS', value: word },
  { name: 'RESTARTS', value: (document) => String(first(document)?.restartCount ?? 0) },
  { name: 'AGE', value: 'metadata.creationTimestamp', type: 'age' },
  { name: 'IP', value: 'status.podIP', wide: true },
  { name: 'NODE', value: 'spec.nodeName', wide: true },
  {
    name: 'IMAGE',
    value: (document) => (document as unknown as Pod).spec.containers[0]?.image ?? '',
    wide: true,
  },
];
