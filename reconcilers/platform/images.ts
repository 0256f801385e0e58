/**
 * Images that a pull of ours brought and that nothing leads back to any more. Pure, but for `findUnneeded`, which asks the reading half
 * and asks it for little while there is nothing to find.
 */
import { ADDON_IMAGES, addonImage } from '../../resources/addon-images.ts';
import type { Document } from '../../resources/document.ts';
import { effectiveApp } from '../../resources/effective.ts';
import type { AddonSpec, AppSpec, AppStatus } from '../../resources/generated.ts';
import { parseReference } from '../drivers/docker/reference.ts';
import type { PulledImage } from '../drivers/host/index.ts';
import type { Reading } from '../world.ts';

/** Different images of an App to go back to, the present one among them, where Platform does not say. */
export const KEEP_IMAGES = 5;

export interface Needed {
  ids: Set<string>;
  references: Set<string>;
}

/** What is noted and leads nowhere: neither a document, nor a container of anybody, nor a revision that is kept. */
export async function findUnneeded(
  { apps, addons }: { apps: readonly Document[]; addons: readonly Document[] },
  keepImages: number,
  { host, docker, history }: Pick<Reading, 'host' | 'docker' | 'history'>,
): Promise<PulledImage[]> {
  const pulled = await host.pulledImages();
  if (pulled.length === 0) return [];
  const ours = new Set((await docker.containers()).map(({ imageId }) => imageId));
  const present = {
    ids: new Set([...ours, ...idsOf([...apps, ...addons])]),
    references: referencesOf([...apps.map(imageOf), ...addons.flatMap(serverImages)]),
  };
  const candidates = pulled.filter((image) => !isNeeded(image, present));
  if (candidates.length === 0) return [];
  const past = referencesOf(apps.flatMap((app) => kept(app, keepImages, history)));
  const used = await docker.imagesInUse();
  return candidates.filter((image) => !isNeeded(image, { ids: used, references: past }));
}

function isNeeded({ id, reference }: PulledImage, { ids, references }: Needed): boolean {
  return ids.has(id) || references.has(inFull(reference));
}

function inFull(reference: string): string {
  return parseReference(reference).text;
}

function idsOf(apps: readonly Document[]): string[] {
  return apps.flatMap(({ status }) => (status as AppStatus | undefined)?.image?.id ?? []);
}

/** All that a server of its type may come from: after an upgrade that failed the one before is needed again. */
function serverImages({ spec }: Document): string[] {
  const { type, version, image } = spec as unknown as AddonSpec;
  const official = [...ADDON_IMAGES[type], ...(version === undefined ? [] : [addonImage(type, version)])];
  return [...official.map((entry) => entry.official), ...(image === undefined ? [] : [image])];
}

function imageOf({ spec, metadata }: Document): string {
  return effectiveApp(spec as AppSpec, metadata.name).image;
}

function referencesOf(images: readonly string[]): Set<string> {
  return new Set(images.filter((image) => image !== '').map(inFull));
}

/** The newest different images of an App, back through its revisions. */
function kept(app: Document, most: number, history: Reading['history']): string[] {
  const images = new Set<string>();
  for (const spec of history.specs(app.kind, app.metadata.name)) {
    images.add(effectiveApp(spec as AppSpec, app.metadata.name).image);
    if (images.size >= most) break;
  }
  return [...images];
}
