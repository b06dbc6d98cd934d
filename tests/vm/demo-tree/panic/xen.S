/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A "hypervisor" that GRUB loads and that does not boot: it says so on COM1,
 * waits until the second has changed twice, and resets the machine.
 */
#define COM1        0x3f8
#define COM1_STATUS 0x3fd
#define CMOS_INDEX  0x70
#define CMOS_DATA   0x71
#define KEYBOARD    0x64

#define MB1_MAGIC 0x1badb002
#define MB2_MAGIC 0xe85250d6

        .section .header, "a"
        .balign 8
mb2:    .long MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + mb2_end - mb2)
        .word 0, 0              /* the end tag */
        .long 8
mb2_end:
        .balign 4
mb1:    .long MB1_MAGIC, 0, -MB1_MAGIC

        .text
        .globl _start
_start: cli
        cld
        mov $message, %esi
next:   lodsb
        test %al, %al
        jz pause
        mov %al, %ah
busy:   mov $COM1_STATUS, %dx
        inb %dx, %al
        test $0x20, %al         /* room in the transmitter? */
        jz busy
        mov %ah, %al
        mov $COM1, %dx
        outb %al, %dx
        jmp next

pause:  mov $2, %ecx
second: xor %eax, %eax
        outb %al, $CMOS_INDEX
        inb $CMOS_DATA, %al
        mov %al, %bl
same:   xor %eax, %eax
        outb %al, $CMOS_INDEX
        inb $CMOS_DATA, %al
        cmp %al, %bl
        je same
        loop second

        mov $0xfe, %al          /* pulse the reset line */
        outb %al, $KEYBOARD
        lidt no_idt             /* and where that does nothing: triple fault */
        int3

        .section .rodata
message: .asciz "\r\nxentest: this Xen does not boot\r\n"
        .balign 4
no_idt: .word 0
        .long 0

        .section .note.GNU-stack, "", @progbits
