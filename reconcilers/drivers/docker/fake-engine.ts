/**
 * A container engine in memory: containers, networks, volumes, images, ports and addresses with the rules of the real one,
 * in the engine's own words where it refuses. fake.ts puts the driver's interface around it. Everything happens at once
 * and in order; only programs that end and restart policies take time, from the clock.
 */
import type { ContainerCreateOptions } from 'dockerode';
import type { Clock } from '../../../controller/clock.ts';
import { plainCopy } from '../plain-copy.ts';
import {
  type FakeContainer,
  type FakeImage,
  freeAddress,
  hash,
  inspectFake,
  noSuchProgram,
  refuse,
} from './fake-container.ts';
import { type Program, readProgram } from './fake-program.ts';
import type { ContainerSpec, DockerEvent, ImageDetails, NetworkSpec, NetworkSummary } from './index.ts';
import { isOurs } from './ownership.ts';
import type { InspectedContainer } from './read.ts';
import { renderContainer } from './render.ts';

interface FakeVolume {
  name: string;
  labels: Record<string, string>;
}

const FIRST_RESTART = 100;
const LONGEST_RESTART = 60_000;
/** A process that ran for this long is restarted without a wait again. */
const LONG_RUN = 10_000;

export class FakeEngine {
  readonly containers = new Map<string, FakeContainer>();
  readonly networks = new Map<string, NetworkSummary>();
  readonly volumes = new Map<string, FakeVolume>();
  readonly images = new Map<string, ImageDetails & { fake: FakeImage }>();
  /** Ports that programs of the host have: "tcp/8080". */
  readonly takenPorts = new Set<string>();
  readonly #clock: Clock;
  readonly #emit: (event: DockerEvent) => void;
  #sequence = 0;

  constructor(clock: Clock, emit: (event: DockerEvent) => void) {
    this.#clock = clock;
    this.#emit = emit;
    for (const name of ['bridge', 'host', 'none']) {
      const subnets = name === 'bridge' ? ['172.17.0.0/16'] : [];
      const driver = name === 'none' ? 'null' : name;
      this.addNetwork({ name, driver, subnets, labels: {}, options: {} });
    }
  }

  /** By id, the start of an id, or name. */
  find(idOrName: string): FakeContainer | undefined {
    const exact = this.containers.get(idOrName);
    if (exact) return exact;
    const all = [...this.containers.values()];
    const byName = all.find((container) => container.name === idOrName);
    return byName ?? (idOrName.length >= 12 ? all.find(({ id }) => id.startsWith(idOrName)) : undefined);
  }

  findNetwork(idOrName: string): NetworkSummary | undefined {
    return this.networks.get(idOrName) ?? [...this.networks.values()].find(({ name }) => name === idOrName);
  }

  findImage(reference: string): (ImageDetails & { fake: FakeImage }) | undefined {
    const exact = this.images.get(reference) ?? this.images.get(`${reference}:latest`);
    if (exact) return exact;
    return [...this.images.values()].find(
      ({ id, digests }) => id === reference || digests.includes(reference),
    );
  }

  addImage(reference: string, fake: FakeImage = {}): ImageDetails {
    const id = fake.id ?? `sha256:${hash(`image ${reference}`)}`;
    const repository = reference.replace(/@.*$|:[^:/]*$/, '');
    const digest = reference.includes('@') ? reference : `${repository}@sha256:${hash(`digest ${id}`)}`;
    const image: ImageDetails = {
      id,
      tags: reference.includes('@') ? [] : [reference],
      digests: [digest],
      volumes: [...(fake.volumes ?? [])].sort(),
      hasCommand: fake.command === undefined || fake.command.length > 0,
    };
    this.images.set(reference, { ...image, fake });
    this.#emit({ type: 'image', action: 'pull', id: reference, name: repository, labels: {} });
    return image;
  }

  imagesInUse(): Set<string> {
    const used = [...this.containers.values()].map(
      ({ spec }) => this.findImage(spec.image)?.id ?? spec.image,
    );
    return new Set(used);
  }

  publisherOf(hostPort: number): string | undefined {
    const publishes = ({ state, spec }: FakeContainer) =>
      state === 'running' && spec.ports.some((port) => port.protocol === 'tcp' && port.hostPort === hostPort);
    return [...this.containers.values()].find(publishes)?.name;
  }

  removeImage(id: string, reference: string): 'gone' | 'kept' {
    if (this.imagesInUse().has(id)) return 'kept';
    if (this.images.get(reference)?.id === id) {
      this.images.delete(reference);
      this.#emit({ type: 'image', action: 'untag', id, name: reference, labels: {} });
    }
    return [...this.images.values()].some((image) => image.id === id) ? 'kept' : 'gone';
  }

  addNetwork(network: Omit<NetworkSummary, 'id'>): NetworkSummary {
    const made = { ...network, id: this.#newId() };
    this.networks.set(made.id, made);
    this.#emit({ type: 'network', action: 'create', id: made.id, name: made.name, labels: {} });
    return made;
  }

  createNetwork(spec: NetworkSpec): NetworkSummary {
    if (this.findNetwork(spec.name))
      throw refuse('conflict', `network with name ${spec.name} already exists`);
    const base = spec.subnet.split('.').slice(0, 3).join('.');
    const overlaps = [...this.networks.values()].some(({ subnets }) =>
      subnets.some((subnet) => subnet.startsWith(`${base}.`)),
    );
    if (overlaps) throw refuse('conflict', 'Pool overlaps with other one on this address space');
    const { name, subnet, gateway, labels, options } = spec;
    return this.addNetwork({
      name,
      driver: 'bridge',
      labels: { ...labels },
      subnets: [subnet],
      gateway,
      options: { ...options },
    });
  }

  /** Also behind the driver's back: then with containers disconnected first. */
  removeNetwork(network: NetworkSummary): void {
    const users = [...this.containers.values()].filter((container) => container.addresses[network.name]);
    if (users.length > 0)
      throw refuse('conflict', `error while removing network: ${network.name} has active endpoints`);
    this.networks.delete(network.id);
    this.#emit({ type: 'network', action: 'destroy', id: network.id, name: network.name, labels: {} });
  }

  create(spec: ContainerSpec): FakeContainer {
    const image = this.findImage(spec.image);
    if (!image) throw refuse('notFound', `No such image: ${spec.image}`);
    const holder = this.find(spec.name);
    if (holder) {
      const words = `Conflict. The container name "/${spec.name}" is already in use by container "${holder.id}"`;
      throw refuse('conflict', words);
    }
    for (const mount of spec.mounts) {
      if (mount.type === 'volume') this.addVolume(mount.source, spec.labels);
    }
    const anonymousVolumes = image.volumes
      .filter((path) => !spec.mounts.some(({ target }) => target === path))
      .map(() => this.addVolume(this.#newId(), {}).name);
    const container: FakeContainer = {
      id: this.#newId(),
      name: spec.name,
      spec: plainCopy(spec),
      rendered: renderContainer(spec),
      imageId: image.id,
      state: 'created',
      addresses: { [spec.network.name]: '' },
      createdAt: Math.floor(this.#clock.now() / 1000) * 1000,
      exitCode: 0,
      restartCount: 0,
      error: '',
      logs: [],
      anonymousVolumes,
      stoppedByHand: false,
      cancelTimers: [],
      watchers: new Set(),
    };
    this.containers.set(container.id, container);
    this.#tell(container, 'create');
    return container;
  }

  /** False when it runs already. */
  start(container: FakeContainer): boolean {
    if (container.state === 'paused')
      throw refuse('failed', 'cannot start a paused container, try unpause instead');
    if (container.state === 'running') return false;
    container.stoppedByHand = false;
    const program = this.#programOf(container);
    try {
      if (!program) throw refuse('invalid', noSuchProgram(container));
      this.#takePorts(container);
      this.#connect(container);
    } catch (caught) {
      container.exitCode = program ? 128 : 127;
      container.error = (caught as Error).message;
      if (container.state === 'restarting') container.state = 'exited';
      for (const name of Object.keys(container.addresses)) container.addresses[name] = '';
      throw caught;
    }
    container.state = 'running';
    container.error = '';
    container.exitCode = 0;
    container.startedAt = Math.max(this.#clock.now(), (container.startedAt ?? 0) + 1);
    this.#tell(container, 'start');
    this.#run(container, program);
    return true;
  }

  /** False when it stands still already. */
  stop(container: FakeContainer, signal: 'stop' | 'kill' = 'stop'): boolean {
    if (!['running', 'paused', 'restarting'].includes(container.state)) return false;
    container.stoppedByHand = true;
    const ran = container.state !== 'restarting';
    if (ran) this.#tell(container, 'kill');
    this.#end(container, signal === 'kill' ? 137 : 143, ran);
    if (signal === 'stop') this.#tell(container, 'stop');
    return true;
  }

  /** The process ends by itself. */
  exit(container: FakeContainer, code: number): void {
    // What is frozen does not get on, to its end neither.
    if (container.state === 'paused')
      container.cancelTimers.push(this.#clock.after(1_000, () => this.exit(container, code)));
    if (container.state !== 'running') return;
    const ranFor = this.#clock.now() - (container.startedAt ?? 0);
    this.#end(container, code, true);
    if (container.rendered.HostConfig?.RestartPolicy?.Name === 'no' || container.stoppedByHand) return;
    container.state = 'restarting';
    const wait =
      ranFor >= LONG_RUN ? FIRST_RESTART : FIRST_RESTART * 2 ** Math.min(container.restartCount, 10);
    const again = () => {
      container.restartCount += 1;
      try {
        this.start(container);
      } catch {
        // The engine keeps the text in `error` and stays down.
      }
    };
    container.cancelTimers.push(this.#clock.after(Math.min(wait, LONGEST_RESTART), again));
    this.#changed(container);
  }

  remove(container: FakeContainer): void {
    this.stop(container, 'kill');
    this.containers.delete(container.id);
    for (const name of container.anonymousVolumes) this.removeVolume(name);
    this.#tell(container, 'destroy');
  }

  rename(container: FakeContainer, name: string): void {
    const holder = this.find(name);
    if (holder === container) return;
    if (holder) {
      const words = `Error when allocating new name: Conflict. The container name "/${name}" is already in use by container "${holder.id}"`;
      throw refuse('conflict', words);
    }
    container.name = name;
    this.#tell(container, 'rename');
  }

  pause(container: FakeContainer): void {
    container.state = 'paused';
    this.#tell(container, 'pause');
  }

  unpause(container: FakeContainer): void {
    if (container.state !== 'paused') return;
    container.state = 'running';
    this.#tell(container, 'unpause');
  }

  /** docker update. */
  update(container: FakeContainer, change: NonNullable<ContainerCreateOptions['HostConfig']>): void {
    Object.assign(container.rendered.HostConfig ?? {}, change);
    this.#tell(container, 'update');
  }

  disconnect(container: FakeContainer, network: string): void {
    delete container.addresses[network];
    delete container.rendered.NetworkingConfig?.EndpointsConfig?.[network];
    this.#tellNetwork(container, network, 'disconnect');
  }

  addVolume(name: string, labels: Record<string, string>): FakeVolume {
    const known = this.volumes.get(name);
    if (known) return known;
    const volume = { name, labels: { ...labels } };
    this.volumes.set(name, volume);
    this.#emit({ type: 'volume', action: 'create', id: name, name, labels: {} });
    return volume;
  }

  volumeInUse(name: string): boolean {
    return [...this.containers.values()].some(
      (container) =>
        container.anonymousVolumes.includes(name) ||
        container.spec.mounts.some(({ type, source }) => type === 'volume' && source === name),
    );
  }

  removeVolume(name: string): void {
    if (this.volumes.delete(name))
      this.#emit({ type: 'volume', action: 'destroy', id: name, name, labels: {} });
  }

  /** The machine or the engine went away; at the next start it does what the restart policies say. */
  killAll(): void {
    for (const container of this.containers.values()) {
      if (container.state === 'running' || container.state === 'restarting' || container.state === 'paused') {
        this.#end(container, 137, false);
      }
    }
  }

  restartByPolicy(): void {
    for (const container of this.containers.values()) {
      const always = container.rendered.HostConfig?.RestartPolicy?.Name === 'always';
      if (!always || container.state === 'running' || container.state === 'created') continue;
      try {
        this.start(container);
      } catch {
        // Kept in `error`, as the engine does.
      }
    }
  }

  inspect(container: FakeContainer): InspectedContainer {
    return inspectFake(container, this.#imageOf(container));
  }

  #imageOf({ spec }: FakeContainer): FakeImage | undefined {
    return this.findImage(spec.image)?.fake;
  }

  #programOf(container: FakeContainer): Program | undefined {
    const image = this.#imageOf(container);
    if (image?.program) return image.program(container.spec);
    return readProgram(container.spec.command ?? image?.command ?? ['sleep', 'infinity']);
  }

  #run(container: FakeContainer, program: Program | undefined): void {
    const { lines = [], exit } = program ?? {};
    const later = (after: number, act: () => void) => {
      if (after === 0) act();
      else container.cancelTimers.push(this.#clock.after(after, act));
    };
    for (const line of lines) {
      later(line.after, () => {
        const stream = container.spec.tty ? 'stdout' : line.stream;
        container.logs.push({ stream, text: line.text, at: this.#clock.now() });
        this.#changed(container);
      });
    }
    // Never at once: whoever started it has seen it run.
    if (exit) {
      container.cancelTimers.push(this.#clock.after(exit.after, () => this.exit(container, exit.code)));
    }
  }

  #end(container: FakeContainer, code: number, tell: boolean): void {
    for (const cancel of container.cancelTimers.splice(0)) cancel();
    container.state = 'exited';
    container.exitCode = code;
    container.finishedAt = this.#clock.now();
    const networks = Object.keys(container.addresses);
    for (const name of networks) container.addresses[name] = '';
    if (!tell) {
      this.#changed(container);
      return;
    }
    this.#tell(container, 'die');
    for (const name of networks) this.#tellNetwork(container, name, 'disconnect');
  }

  #takePorts(container: FakeContainer): void {
    for (const port of container.spec.ports) {
      const address = port.hostAddress ?? '0.0.0.0';
      const text = `Bind for ${address}:${port.hostPort} failed: port is already allocated`;
      if (this.takenPorts.has(`${port.protocol}/${port.hostPort}`)) {
        throw refuse(
          'conflict',
          `listen ${port.protocol} ${address}:${port.hostPort}: bind: address already in use`,
        );
      }
      for (const other of this.containers.values()) {
        if (other === container || (other.state !== 'running' && other.state !== 'paused')) continue;
        const clash = other.spec.ports.some(
          (taken) =>
            taken.hostPort === port.hostPort &&
            taken.protocol === port.protocol &&
            ['0.0.0.0', address].includes(address === '0.0.0.0' ? address : (taken.hostAddress ?? '0.0.0.0')),
        );
        if (clash) throw refuse('conflict', text);
      }
    }
  }

  #connect(container: FakeContainer): void {
    for (const name of Object.keys(container.addresses)) {
      const network = this.findNetwork(name);
      if (!network) throw refuse('notFound', `network ${name} not found`);
      const used = new Set([...this.containers.values()].map((other) => other.addresses[name]));
      const wanted = container.spec.network.name === name ? container.spec.network.address : '';
      const address = wanted === '' ? freeAddress(network, used) : wanted;
      if (network.gateway === address || used.has(address))
        throw refuse('conflict', 'Address already in use');
      container.addresses[name] = address;
    }
    for (const name of Object.keys(container.addresses)) this.#tellNetwork(container, name, 'connect');
  }

  #tell(container: FakeContainer, action: string): void {
    this.#changed(container);
    const { spec, id, name } = container;
    if (!isOurs(spec.labels)) return;
    const exitCode = action === 'die' ? { exitCode: container.exitCode } : {};
    this.#emit({ type: 'container', action, id, name, labels: { ...spec.labels }, ...exitCode });
  }

  #tellNetwork(container: FakeContainer, name: string, action: string): void {
    const id = this.findNetwork(name)?.id ?? name;
    this.#emit({ type: 'network', action, id, name, labels: {}, containerId: container.id });
    this.#changed(container);
  }

  #changed(container: FakeContainer): void {
    for (const watcher of [...container.watchers]) watcher();
  }

  #newId(): string {
    this.#sequence += 1;
    return hash(`thing ${this.#sequence}`);
  }
}
