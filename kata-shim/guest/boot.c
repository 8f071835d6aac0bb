// SPDX-License-Identifier: Apache-2.0
/*
 * The first instructions of a guest on an x86 processor: they start the distribution's compressed kernel, which lies in the same file.
 *
 * QEMU reads a bzImage into memory of its own and keeps it there: 14 MB for each VM. An ELF file it maps, so that all VMs share its pages. An
 * uncompressed kernel would be one too, but has no KASLR: that is the decompressor's.
 *
 * QEMU's firmware enters an ELF file as PVH has it (Xen's public/arch-x86/hvm/start_info.h: 32-bit protected mode, no paging, EBX has the
 * address of `struct start_info`); a compressed kernel wants Linux' 32-bit boot protocol (Documentation/arch/x86/boot.rst: ESI has the
 * address of `struct boot_params`). So what the one tells is written down for the other.
 *
 * boot.lds says where all of this is; guest/build makes the file.
 */
#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>

#define PVH_MAGIC 0x336ec578 /* "xEn3", with the highest bit of the "E" set */
#define LOADER_UNKNOWN 0xff  /* boot.rst: a loader that has no number */
#define COMMAND_LINE_MAX 4096 /* QEMU's firmware passes no longer one on; with its final 0 */

struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, command_line, rsdp;
	uint64_t memory_map; /* from version 1 on, as all of QEMU's are */
	uint32_t n_memory_map, reserved;
};

struct module {
	uint64_t address, size, command_line, reserved;
};

struct memory {
	uint64_t address, size;
	uint32_t type, reserved; /* type: as in E820 */
};

/* boot.lds: the kernel's setup sectors, of which only the header is used, and what decompresses it. */
extern const uint8_t kernel_setup[], kernel_start[];

/* Both are read until the kernel has taken copies, and are where it puts nothing before. */
static struct boot_params params __attribute__((section(".low")));
static char command_line[COMMAND_LINE_MAX] __attribute__((section(".low")));

/* Volatile, lest the compiler calls the C library's functions, of which there are none. */
static void clear(void *at, size_t n)
{
	for (volatile uint8_t *p = at; n > 0; n--)
		*p++ = 0;
}

static void copy(void *to, const void *from, size_t n)
{
	const uint8_t *source = from;

	for (volatile uint8_t *p = to; n > 0; n--)
		*p++ = *source++;
}

/* What lies in the first 4 GiB, as all that is passed here does. */
static const void *pointer(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

/* boot.rst: the header's end is 0x202 and the byte at 0x201, the displacement of the jump that is there. */
static void take_header(void)
{
	copy(&params.hdr, kernel_setup + offsetof(struct boot_params, hdr), 0x202 + kernel_setup[0x201] - offsetof(struct boot_params, hdr));
	params.hdr.type_of_loader = LOADER_UNKNOWN;
	params.hdr.code32_start = (uint32_t)(uintptr_t)kernel_start;
}

static void take_command_line(const char *given)
{
	size_t n = 0;

	while (n < sizeof(command_line) - 1 && given[n])
		n++;
	copy(command_line, given, n);
	command_line[n] = 0;
	params.hdr.cmd_line_ptr = (uint32_t)(uintptr_t)command_line;
}

static void take_memory_map(const struct memory *map, uint32_t n)
{
	if (n > E820_MAX_ENTRIES_ZEROPAGE)
		n = E820_MAX_ENTRIES_ZEROPAGE;
	for (uint32_t i = 0; i < n; i++) {
		params.e820_table[i].addr = map[i].address;
		params.e820_table[i].size = map[i].size;
		params.e820_table[i].type = map[i].type;
	}
	params.e820_entries = (uint8_t)n;
}

/* What ESI is to be. There is nobody to tell of an error, and QEMU's firmware has always passed what PVH wants: so it only stops. */
const struct boot_params *boot(const struct start_info *start);
const struct boot_params *boot(const struct start_info *start)
{
	const struct module *initrd = pointer(start->modules);

	if (start->magic != PVH_MAGIC || start->version < 1)
		return NULL;
	clear(&params, sizeof(params));
	take_header();
	take_command_line(pointer(start->command_line));
	take_memory_map(pointer(start->memory_map), start->n_memory_map);
	params.acpi_rsdp_addr = start->rsdp;
	if (start->n_modules > 0) {
		params.hdr.ramdisk_image = (uint32_t)initrd->address;
		params.hdr.ramdisk_size = (uint32_t)initrd->size;
	}
	return &params;
}

/* boot.rst: flat segments, code in 0x10 and data in 0x18; no interrupts; EBP, EDI and EBX are 0. */
__asm__(".pushsection .text.start, \"ax\"\n"
	".globl start\n"
	"start:\n"
	"	cli\n"
	"	cld\n"
	"	lgdt	segments\n"
	"	ljmp	$0x10, $1f\n"
	"1:	movl	$0x18, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %fs\n"
	"	movl	%eax, %gs\n"
	"	movl	%eax, %ss\n"
	"	movl	$stack_end, %esp\n"
	"	pushl	%ebx\n"
	"	call	boot\n"
	"	movl	%eax, %esi\n"
	"	testl	%esi, %esi\n"
	"2:	jz	2b\n"
	"	xorl	%ebx, %ebx\n"
	"	xorl	%edi, %edi\n"
	"	xorl	%ebp, %ebp\n"
	"	movl	$kernel_start, %eax\n"
	"	jmp	*%eax\n"
	"	.balign	8\n"
	"descriptors: .quad 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
	"segments: .word segments - descriptors - 1\n"
	"	.long	descriptors\n"
	".popsection\n"
	/* By this note QEMU finds the entry: XEN_ELFNOTE_PHYS32_ENTRY. Some versions read eight bytes of it. */
	".pushsection .note.pvh, \"a\", @note\n"
	"	.balign	4\n"
	"	.long	4, 8, 18\n"
	"	.asciz	\"Xen\"\n"
	"	.long	start, 0\n"
	".popsection\n");
