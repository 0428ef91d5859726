// SPDX-License-Identifier: Apache-2.0
// Objects of a context by id. An object is destroyed when nobody refers to it; who does, counts in `users`.
import { VfioError } from '../util/errors.ts';

/** One object; ids begin at 1, the lowest free one is taken. */
export abstract class IommufdObject {
  readonly id: number;
  /** Objects and drivers that refer to this one. */
  users = 0;
  protected readonly table: ObjectTable;

  constructor(table: ObjectTable) {
    this.table = table;
    this.id = table.add(this);
  }

  /** Takes the object out of its context; whoever overrides it lets go of what the object holds. */
  release(): void {
    this.table.remove(this);
  }
}

export class ObjectTable {
  private readonly objects = new Map<number, IommufdObject>();

  get size(): number {
    return this.objects.size;
  }

  /** Ids by the kind of object, for who looks for leaks. */
  *[Symbol.iterator](): IterableIterator<IommufdObject> {
    yield* this.objects.values();
  }

  add(object: IommufdObject): number {
    let id = 1;
    while (this.objects.has(id)) id++;
    this.objects.set(id, object);
    return id;
  }

  remove(object: IommufdObject): void {
    this.objects.delete(object.id);
  }

  /** The object with that id; ENOENT if there is none, or if it is of another kind. */
  get<T extends IommufdObject>(id: number, kind: abstract new (...args: never[]) => T): T {
    const object = this.objects.get(id);
    if (object instanceof kind) return object;
    const found = object === undefined ? 'no such object' : `a ${object.constructor.name}`;
    throw new VfioError('ENOENT', `object ${id}: a ${kind.name} is needed, there is ${found}`);
  }
}
