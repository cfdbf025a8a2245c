// SPDX-License-Identifier: GPL-2.0

//! The memory that the resource manager has.

use kernel::{
    page::PAGE_SHIFT,
    prelude::*,
    rbtree::RBTreeNode, //
};

use crate::{
    error::Code,
    wire::{
        Reader,
        Writer, //
    },
};

use super::{
    done,
    Answer,
    Firmware,
    MSG_INVALID, //
};

pub(crate) const MEM_LEND: u32 = 0x5100_0012;
pub(crate) const MEM_RECLAIM: u32 = 0x5100_0015;
pub(crate) const MEM_APPEND: u32 = 0x5100_0018;

const ARGUMENT_INVALID: Code = Code(6);
const HANDLE_INVALID: Code = Code(7);
const MEM_INVALID: Code = Code(0xa);

/// Entries of a list.
const MAX_ENTRIES: usize = 512;
/// Parcels of one owner.
const MAX_PARCELS: usize = 64;
/// Entries that its heap has room for.
const HEAP: usize = 5600;

/// Memory that was lent.
pub(crate) struct Parcel {
    pub(crate) vmid: u16,
    /// Nothing can be appended.
    pub(crate) complete: bool,
    /// A machine has it.
    pub(crate) accepted: bool,
    /// Address and size.
    pub(crate) entries: KVVec<(u64, u64)>,
    /// How many came in each message.
    pub(crate) batches: KVec<usize>,
}

impl Parcel {
    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.entries.iter().map(|(_, size)| *size).sum()
    }
}

impl Firmware {
    pub(super) fn handle_memory(&mut self, id: u32, reader: &mut Reader<'_>) -> Result<Answer> {
        match id {
            MEM_LEND => self.lend(reader),
            MEM_APPEND => self.append(reader),
            MEM_RECLAIM => self.reclaim(reader),
            _ => Ok(Answer::Refuse(Code::UNIMPLEMENTED)),
        }
    }

    /// Returns the number of pages that are lent.
    pub(crate) fn lent(&self) -> usize {
        let bytes: u64 = self.parcels.values().map(Parcel::size).sum();

        (bytes >> PAGE_SHIFT) as usize
    }

    /// Returns whether one of so many pages from `pfn` on is lent.
    pub(crate) fn is_lent(&self, pfn: usize, pages: usize) -> bool {
        let start = (pfn as u64) << PAGE_SHIFT;
        let end = start + ((pages as u64) << PAGE_SHIFT);

        self.parcels
            .values()
            .flat_map(|parcel| &parcel.entries)
            .any(|(address, size)| start < address + size && *address < end)
    }

    fn entries(&self, reader: &mut Reader<'_>) -> Result<Result<KVVec<(u64, u64)>, Answer>> {
        let count: usize = list(reader)?;
        if count > MAX_ENTRIES {
            return Ok(Err(Answer::Refuse(Code::NORESOURCE)));
        }
        let used: usize = self.parcels.values().map(|p| p.entries.len()).sum();
        if used + count > HEAP {
            return Ok(Err(Answer::Nothing));
        }

        let mut entries = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let (address, size) = (reader.u64()?, reader.u64()?);

            if (address | size) & 0xfff != 0 || size == 0 {
                return Ok(Err(Answer::Refuse(ARGUMENT_INVALID)));
            }
            if self.is_lent(
                (address >> PAGE_SHIFT) as usize,
                (size >> PAGE_SHIFT) as usize,
            ) {
                return Ok(Err(Answer::Refuse(MEM_INVALID)));
            }
            let twice =
                |(other, len): &(u64, u64)| *other < address + size && address < other + len;
            if entries.iter().any(twice) {
                return Ok(Err(Answer::Refuse(MEM_INVALID)));
            }
            entries.push((address, size), GFP_KERNEL)?;
        }
        Ok(Ok(entries))
    }

    fn lend(&mut self, reader: &mut Reader<'_>) -> Result<Answer> {
        let (kind, _, flags, _) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        let label = reader.u32()?;
        let borrowers = list(reader)?;
        let (vmid, rights, _) = (reader.u16()?, reader.u8()?, reader.u8()?);
        if (kind, label, borrowers, rights) != (0, 0, 1, 7) {
            return Ok(Answer::Refuse(ARGUMENT_INVALID));
        }
        if self.machines.get(&vmid).is_none() {
            return Ok(Answer::Refuse(ARGUMENT_INVALID));
        }
        let entries = match self.entries(reader)? {
            Ok(entries) => entries,
            Err(answer) => return Ok(answer),
        };
        if entries.is_empty() {
            return Ok(Answer::Refuse(ARGUMENT_INVALID));
        }
        if list(reader)? != 0 || reader.u8().is_ok() {
            return Ok(Answer::Refuse(MSG_INVALID));
        }
        if self.parcels.values().count() >= MAX_PARCELS {
            return Ok(Answer::Refuse(Code::DENIED));
        }

        let handle = self.next_handle;
        let mut batches = KVec::new();
        let mut writer = Writer::new();
        batches.push(entries.len(), GFP_KERNEL)?;
        writer.u32(handle)?;
        let parcel = Parcel {
            vmid,
            complete: flags & 2 == 0,
            accepted: false,
            entries,
            batches,
        };
        self.parcels
            .insert(RBTreeNode::new(handle, parcel, GFP_KERNEL)?);
        self.next_handle += 1;
        Ok(Answer::Done(writer))
    }

    fn append(&mut self, reader: &mut Reader<'_>) -> Result<Answer> {
        let (handle, flags) = (reader.u32()?, reader.u32()?);
        let entries = match self.entries(reader)? {
            Ok(entries) => entries,
            Err(answer) => return Ok(answer),
        };
        if reader.u8().is_ok() {
            return Ok(Answer::Refuse(MSG_INVALID));
        }
        let Some(parcel) = self.parcels.get_mut(&handle) else {
            return Ok(Answer::Refuse(HANDLE_INVALID));
        };
        if parcel.complete {
            return Ok(Answer::Refuse(Code::DENIED));
        }

        parcel.batches.push(entries.len(), GFP_KERNEL)?;
        parcel.entries.extend_from_slice(&entries, GFP_KERNEL)?;
        parcel.complete = flags & 1 != 0;
        done()
    }

    fn reclaim(&mut self, reader: &mut Reader<'_>) -> Result<Answer> {
        let (handle, _flags) = (reader.u32()?, reader.u32()?);

        match self.parcels.get(&handle) {
            None => Ok(Answer::Refuse(HANDLE_INVALID)),
            Some(parcel) if parcel.accepted => Ok(Answer::Refuse(Code::MEM_INUSE)),
            Some(_) => {
                self.parcels.remove(&handle);
                done()
            }
        }
    }
}

/// Reads the beginning of a list.
fn list(reader: &mut Reader<'_>) -> Result<usize> {
    let count = reader.u16()?;
    let _padding = reader.u16()?;

    Ok(count.into())
}
