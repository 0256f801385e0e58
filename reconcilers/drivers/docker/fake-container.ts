/**
 * What the fake engine holds of an image and a container, how it shows a container, and the texts with which it refuses.
 * Used by fake-engine.ts, which decides when.
 */
import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import { DriverError } from '../error.ts';
import { plainCopy } from '../plain-copy.ts';
import type { Program } from './fake-program.ts';
import type { ContainerSpec, ContainerState, LogLine, NetworkSummary } from './index.ts';
import type { InspectedContainer } from './read.ts';

export interface FakeImage {
  /** sha256:… Default: made from the reference. */
  id?: string;
  volumes?: string[];
  /** Default: runs on. An empty list is an image without a command. */
  command?: string[];
  env?: Record<string, string>;
  /** What a container of this image does, whatever its command. */
  program?: (spec: ContainerSpec) => Program;
}

export interface FakeContainer {
  readonly id: string;
  name: string;
  readonly spec: ContainerSpec;
  /** As the real driver would have asked for it; what was changed behind our back is changed in here. */
  readonly rendered: ContainerCreateOptions;
  readonly imageId: string;
  state: ContainerState;
  /** Address on each network. Empty text while not running. */
  addresses: Record<string, string>;
  readonly createdAt: number;
  startedAt?: number;
  finishedAt?: number;
  exitCode: number;
  restartCount: number;
  error: string;
  readonly logs: (LogLine & { at: number })[];
  readonly anonymousVolumes: string[];
  /** Stopped or killed on purpose: the restart policy holds still. */
  stoppedByHand: boolean;
  /** Ends what the clock still has for this process. */
  cancelTimers: (() => void)[];
  /** Called when a line was said or the state has changed. */
  readonly watchers: Set<() => void>;
}

/** As the engine answers an inspect. */
export function inspectFake(container: FakeContainer, image: FakeImage = {}): InspectedContainer {
  const { rendered, spec } = container;
  const time = (value: number | undefined) =>
    value === undefined ? '0001-01-01T00:00:00Z' : new Date(value).toISOString();
  return {
    Id: container.id,
    Name: `/${container.name}`,
    Created: new Date(container.createdAt).toISOString(),
    Image: container.imageId,
    RestartCount: container.restartCount,
    State: {
      Status: container.state,
      ExitCode: container.exitCode,
      OOMKilled: false,
      Error: container.error,
      StartedAt: time(container.startedAt),
      FinishedAt: time(container.finishedAt),
    },
    Config: {
      Image: spec.image,
      Cmd: rendered.Cmd ?? image.command ?? null,
      Env: [
        ...Object.entries(image.env ?? {}).map(([name, value]) => `${name}=${value}`),
        ...(rendered.Env ?? []),
      ],
      Labels: rendered.Labels ?? {},
      Tty: spec.tty,
      StopTimeout: rendered.StopTimeout ?? null,
    },
    HostConfig: plainCopy(rendered.HostConfig) as NonNullable<InspectedContainer['HostConfig']>,
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(container.addresses).map(([name, address]) => [
          name,
          {
            IPAddress: address,
            IPAMConfig: rendered.NetworkingConfig?.EndpointsConfig?.[name]?.IPAMConfig ?? null,
          } as { IPAddress: string; IPAMConfig: { IPv4Address?: string } | null },
        ]),
      ),
    },
  };
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The real engine's text; fake.ts puts what it was about in front. */
export function refuse(code: DriverError['code'], text: string): DriverError {
  return new DriverError(code, text);
}

export function noSuchProgram(container: FakeContainer): string {
  const program = container.spec.command?.[0] ?? '';
  return `OCI runtime create failed: exec: "${program}": stat ${program}: no such file or directory`;
}

export function freeAddress(network: NetworkSummary, used: ReadonlySet<string | undefined>): string {
  const base = (network.subnets[0] ?? '172.31.0.0/24').split('.').slice(0, 3).join('.');
  for (let last = 2; last < 255; last += 1) {
    if (!used.has(`${base}.${last}`)) return `${base}.${last}`;
  }
  throw refuse('failed', 'no available IPv4 addresses on this network');
}
