/**
 * What the simulation remembers beside the controller: documents as the store told of them, data that was made, what people asked to
 * lose, what was really seen to answer. Invariants compare the controller's words and deeds with it.
 */
import type { Change, Write, WriteResult } from '../../controller/store/types.ts';
import { isOurs } from '../../reconcilers/drivers/docker/ownership.ts';
import type { NginxState } from '../../reconcilers/drivers/nginx/index.ts';
import type { Document } from '../../resources/document.ts';
import { atAddress, type World } from './world.ts';

export interface Look {
  at: number;
  state: NginxState;
}

const LOOKS_KEPT = 30;

export class Memory {
  /** By Kind/name, as the store told its watchers. */
  readonly documents = new Map<string, Document>();
  version = 0;
  /** The newest version that somebody was given as an answer. */
  answeredVersion = 0;
  /** Names of Apps whose data somebody asked to delete. */
  readonly mayLose = new Set<string>();
  /** Folders with data that were there once and must stay. */
  readonly folders = new Set<string>();
  /** Container ids with the start of the process, RFC 3339, that answered a question well. */
  readonly answered = new Set<string>();
  /** The newest looks at nginx. */
  readonly looks: Look[] = [];
  /** Things in the world that are not ours, and how they must look. */
  readonly foreign = new Map<string, string>();
  /** The document of the change that is being told, as it was before. */
  previous: Document | undefined;
  /** Ids of containers of others that have a name of ours. */
  readonly squatters = new Set<string>();
  /** By id of a container, the life of the controller that made it, and may know of it. */
  readonly makers = new Map<string, number>();
  engineIsDown = false;
  nginxRefuses = false;
  /** Its files were changed back again and again, so that it was left alone for a while. */
  nginxRested = false;

  /** Notes what answers, by looking over the shoulder of the fakes. */
  observe(world: World): void {
    const { probe, nginx, clock } = world;
    const ask = probe.ask.bind(probe);
    probe.ask = async (target, signal) => {
      const answer = await ask(target, signal);
      const container = answer.ok ? atAddress(world.docker, target.address) : undefined;
      if (container) this.answered.add(lifeOf(container.id, container.startedAt));
      return answer;
    };
    const look = nginx.state.bind(nginx);
    nginx.state = async () => {
      const state = await look();
      this.looks.push({ at: clock.monotonic(), state });
      if (this.looks.length > LOOKS_KEPT) this.looks.shift();
      return state;
    };
  }

  logged(text: string): void {
    if (text.includes('"key":"nginx"') && text.includes('"reason":"Looping"')) this.nginxRested = true;
  }

  changed({ type, version, document }: Change): void {
    const { kind, metadata } = document;
    this.version = version;
    const key = `${kind}/${metadata.name}`;
    this.previous = this.documents.get(key);
    if (type !== 'DELETED') {
      this.documents.set(key, document);
      return;
    }
    this.documents.delete(key);
    if (kind !== 'App' || !this.mayLose.delete(metadata.name)) return;
    const own = `/state/apps/${metadata.name}`;
    for (const folder of this.folders)
      if (folder === own || folder.startsWith(`${own}/`)) this.folders.delete(folder);
  }

  acknowledged(results: readonly WriteResult[]): void {
    for (const { document } of results) {
      const version = Number(document.metadata.resourceVersion);
      if (version > this.answeredVersion) this.answeredVersion = version;
    }
  }

  refused(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.verb !== 'delete' || write.reference.kind !== 'App') continue;
      const present = this.documents.get(`App/${write.reference.name}`);
      if (!present?.metadata.deletionTimestamp) this.mayLose.delete(write.reference.name);
    }
  }

  /** Something of others is in the world from now on. */
  addForeign(world: World, ...keys: string[]): void {
    const present = foreignThings(world);
    for (const key of keys) {
      const look = present.get(key);
      if (look !== undefined) this.foreign.set(key, look);
    }
  }

  /** The world itself has changed what is of others. */
  refreshForeign(world: World): void {
    this.addForeign(world, ...this.foreign.keys());
  }
}

/** One life of a container's process. */
export function lifeOf(id: string, startedAt: number | string | undefined): string {
  return `${id} ${startedAt === undefined ? '' : new Date(startedAt).toISOString()}`;
}

/** Everything in Docker that does not carry our mark, and how it is. */
export function foreignThings({ docker }: World): Map<string, string> {
  const { containers, networks, volumes } = docker.engine;
  const things = new Map<string, string>();
  for (const { id, name, spec, state, rendered, addresses } of containers.values()) {
    if (!isOurs(spec.labels))
      things.set(`container ${id}`, JSON.stringify([name, state, rendered, addresses]));
  }
  for (const { id, name, labels, subnets } of networks.values()) {
    if (!isOurs(labels)) things.set(`network ${id}`, JSON.stringify([name, labels, subnets]));
  }
  for (const { name, labels } of volumes.values()) {
    if (!isOurs(labels)) things.set(`volume ${name}`, JSON.stringify(labels));
  }
  return things;
}
