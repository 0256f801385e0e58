/** Images that were made here: found by their label alone, listed and removed. What does not carry it is nobody's to remove. */
import type Dockerode from 'dockerode';
import { LOCAL_REGISTRY } from '../../../resources/addon-images.ts';
import { MARK } from '../inventory.ts';

export interface OwnImage {
  name: string;
  id: string;
  bytes: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Names of containers that are made from it, running or not. */
  users: string[];
}

/** By name. Those that a newer build took the name from are listed by their id. */
export async function ownImages(docker: Dockerode): Promise<OwnImage[]> {
  const [images, containers] = await Promise.all([
    docker.listImages({ filters: { label: [MARK.image] } }),
    docker.listContainers({ all: true }),
  ]);
  const users = (id: string) =>
    containers
      .filter(({ ImageID }) => ImageID === id)
      .map(({ Id, Names }) => (Names[0] ?? Id).replace(/^\//, ''));
  return images
    .flatMap((image) => {
      const names = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
      const one = {
        id: image.Id,
        bytes: image.Size,
        createdAt: image.Created * 1000,
        users: users(image.Id),
      };
      return (names.length > 0 ? names : [image.Id]).map((name) => ({ ...one, name }));
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Takes a name as people write it: postgresql:15, or in full. Throws when it is not ours, or in use. */
export function findOwn(images: readonly OwnImage[], name: string): OwnImage {
  const full =
    name.startsWith('sha256:') || name.startsWith(`${LOCAL_REGISTRY}/`) ? name : `${LOCAL_REGISTRY}/${name}`;
  const fitting = images.filter(
    (one) => one.name === full || (!name.includes(':') && one.name.startsWith(`${full}:`)),
  );
  const [found, ...others] = fitting;
  if (!found)
    throw new Error(
      `${name} is no image that was built here; holdfast images list shows those, and no other is removed`,
    );
  if (others.length > 0)
    throw new Error(`${name} may be ${fitting.map((one) => one.name).join(' or ')}: say which`);
  if (found.users.length > 0)
    throw new Error(`${found.name} is in use by ${found.users.join(', ')}; what runs from it goes first`);
  return found;
}
