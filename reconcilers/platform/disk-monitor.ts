/**
 * Looks at the disks that the state folder and Docker are on, now and then, and wakes the Platform when one becomes too full or has
 * room again. What takes the room is looked for only then: it costs. Built by the wiring; reads only.
 */
import { join } from 'node:path';
import type { Clock } from '../../controller/clock.ts';
import type { DockerReading, EngineUsage } from '../drivers/docker/index.ts';
import type { DiskRoom, HostReading } from '../drivers/host/index.ts';
import { levelOf, type Thresholds } from './pressure.ts';

const LOOK_MILLISECONDS = 30_000;
const USAGE_MILLISECONDS = 600_000;
const MOST_SHOWN = 8;

export interface SeenDisk extends DiskRoom {
  /** A folder on it, for a person. */
  path: string;
  holds: ('state' | 'docker')[];
}

export interface TakesRoom {
  what: string;
  bytes: number;
}

export interface DiskReading {
  disks(): Promise<SeenDisk[]>;
  /** What takes the room, largest first; kept for some minutes. */
  largest(): Promise<TakesRoom[]>;
}

export interface DiskMonitorOptions {
  host: Pick<HostReading, 'room' | 'sizesIn' | 'pulledImages'>;
  docker: Pick<DockerReading, 'info' | 'usage'>;
  clock: Clock;
  stateFolder: string;
  thresholds(): Thresholds;
  onChange(): void;
}

export class DiskMonitor implements DiskReading {
  readonly #options: DiskMonitorOptions;
  #levels = '';
  #cancel: () => void = () => undefined;
  #closed = false;
  #usage: { at: number; found: Promise<TakesRoom[]> } | undefined;

  constructor(options: DiskMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    const next = () => {
      if (this.#closed) return;
      this.#cancel = this.#options.clock.after(LOOK_MILLISECONDS, () => void this.#look().finally(next));
    };
    next();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async disks(): Promise<SeenDisk[]> {
    const { host, stateFolder } = this.#options;
    const seen: SeenDisk[] = [];
    const places = [
      { path: stateFolder, holds: 'state' as const },
      { path: await this.#dockerFolder(), holds: 'docker' as const },
    ];
    for (const { path, holds } of places) {
      const room = path === '' ? undefined : await host.room(path);
      if (!room) continue;
      const known = seen.find(({ device }) => device === room.device);
      if (known) known.holds.push(holds);
      else seen.push({ ...room, path, holds: [holds] });
    }
    return seen;
  }

  largest(): Promise<TakesRoom[]> {
    const now = this.#options.clock.monotonic();
    if (!this.#usage || now - this.#usage.at > USAGE_MILLISECONDS)
      this.#usage = { at: now, found: this.#findLargest() };
    return this.#usage.found;
  }

  async #look(): Promise<void> {
    try {
      const thresholds = this.#options.thresholds();
      const levels = (await this.disks()).map((disk) => levelOf(disk, thresholds)).join();
      if (levels !== this.#levels) this.#options.onChange();
      this.#levels = levels;
    } catch {
      // What cannot be looked at now is looked at with everything else of the Platform, which tells it.
    }
  }

  /** Empty while Docker is away, or where it is on another machine. */
  async #dockerFolder(): Promise<string> {
    return this.#options.docker.info().then(
      ({ rootFolder }) => rootFolder,
      () => '',
    );
  }

  async #findLargest(): Promise<TakesRoom[]> {
    const { host, docker, stateFolder } = this.#options;
    const root = await this.#dockerFolder();
    const [state, apps, logs, pulled, usage] = await Promise.all([
      host.sizesIn(stateFolder),
      host.sizesIn(join(stateFolder, 'apps')),
      root === '' ? [] : host.sizesIn(join(root, 'containers')),
      host.pulledImages().catch(() => []),
      docker.usage().catch(() => undefined),
    ]);
    const found: TakesRoom[] = [
      ...apps.map(({ name, bytes }) => ({ what: `data of app/${name}`, bytes })),
      ...state
        .filter(({ name }) => name !== 'apps')
        .map(({ name, bytes }) => ({ what: join(stateFolder, name), bytes })),
      ...logs.map(({ name, bytes }) => ({ what: `log of container ${nameOf(name, usage)}`, bytes })),
      ...(usage ? inEngine(usage, new Set(pulled.map(({ id }) => id))) : []),
    ];
    return found
      .filter(({ bytes }) => bytes > 0)
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, MOST_SHOWN);
  }
}

function nameOf(id: string, usage: EngineUsage | undefined): string {
  return usage?.containers.find((container) => container.id === id)?.name ?? id.slice(0, 12);
}

function inEngine(usage: EngineUsage, pulled: ReadonlySet<string>): TakesRoom[] {
  const sum = (images: EngineUsage['images']) => images.reduce((bytes, image) => bytes + image.bytes, 0);
  const ours = usage.images.filter(({ id }) => pulled.has(id));
  const others = usage.images.filter(({ id }) => !pulled.has(id));
  return [
    { what: `${ours.length} images of Apps`, bytes: sum(ours) },
    { what: `${others.length} images that Holdfast did not pull`, bytes: sum(others) },
    { what: "Docker's build cache", bytes: usage.buildCacheBytes },
    ...usage.containers.map(({ name, bytes }) => ({
      what: `what container ${name} wrote outside its volumes`,
      bytes,
    })),
    ...usage.volumes.map(({ name, bytes }) => ({ what: `volume ${name}, not Holdfast's`, bytes })),
  ];
}
