/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr.pml - bounded model of replication.md (cluster/afr + features/replica).
 *
 * One key. Two data bricks A=0, B=1 (home of the key is A whenever both are full; A and B are
 * otherwise symmetric, so this loses nothing), two writing/reading clients, one syncer
 * (healer + settler), optionally a witness (-DQUORUM).  An object's state is the *list* of txns executed on it (base 8,
 * newest in the low digit), so loss, double execution and reordering are all visible.
 *
 * Messages client->brick: one FIFO slot per pair; it may be executed late, also after the
 * sender died or was cut off.  Replies are lost when the link is down.  The view register is an
 * atomic compare-and-set, reachable only with a majority (QUORUM) or with all of the new F (none).
 *
 * Sizes:  NOPS ops per client (default 1); -DMAXV= views after the first, -DMAXF= faults: both must be given.
 * Faults: -DF_DIE client dies, -DF_PC process crash, -DF_HC host crash, -DF_LINK one client-brick link cut,
 *         -DF_SYNC the syncer's session is lost while its message travels.
 * -DFILL  heal of a big file: no lease on the key, fill rule; only the last writer of the extent counts.
 * Rules:  all amendments R_* are on; -DNO_R_X takes one out; -DDOC takes all out (the text as written).
 * Others: -DREADS reads and I3 (I3 in QUORUM only), -DMONOTONIC I3b, -DONE only client 0 writes, -DFORK lifts the
 *         link restriction of mode none (but the view table is one line: a real fork cannot be represented), -DCOVER vacuity check (must fail).
 */
#ifndef NOPS
#define NOPS 1
#endif
/* the amendments; each is named by its absence */
#ifdef DOC
#define NO_R_FOREIGN    /* foreign in-flight key on a non-home brick = conflict, settle first */
#define NO_R_BUSY       /* at home, a key in the in-flight journal is busy, whatever the owner table says */
#define NO_R_FORGET     /* imposing a state imposes the replay table and journal of that key as well */
#define NO_R_SEAL       /* "D_b is empty" is answered together with a seal of the view */
#define NO_R_SEALDUR    /* the seal survives a process crash */
#define NO_R_JOINAFTER  /* a joiner turns its journal into doubts when it installs the join view; none left at promotion */
#define NO_R_HEALSYNC   /* imposed state is durable on the target before the mark is cleared */
#define NO_R_WINDOW     /* recent keys are kept until the *other* brick is known to have synced them */
#define NO_R_WINCOMMIT  /* that sync began after the operation was committed, not only after it was executed here */
#define NO_R_OWNWIN     /* what the crashed brick itself changed since its last sync is dirty too */
#define NO_R_REPLAY     /* replay table survives a process crash */
#define NO_R_NEWANS     /* answers given in an older view do not count */
#define NO_R_LEASEVIEW  /* every lease dies with the view it was given in */
#define NO_R_LEASETIME  /* client gives a lease up before home may free it */
#define NO_R_VIEWALL    /* every view change, not only an eviction, waits for the view leases */
#define NO_R_RDCOMMIT   /* a read does not return another client's in-flight operation */
#define NO_R_GRACE      /* a restarted home grants nothing until the leases it forgot have run out or are shown again */
#define NO_R_REG        /* impose only onto a key the target opened for this healer and has not changed since */
#define NO_R_DGEN       /* D_b mark is cleared only if not set again since the heal read it */
#define NO_R_GRANT   /* answers count only with the same grant number as home's answer */
#define NO_R_IMPREC  /* an imposed state counts as a change for the recent set */
#define NO_R_DOUBTDIRTY /* survivors put in-doubt keys, too, into D_b */
#define NO_R_REFILL     /* fill never repairs a key on which a live op went unanswered at the joiner: heal it under a lease */
#define NO_R_JCLEAR     /* commit of an op on a joiner clears the mark of that op only, not older marks */
#endif
#define BIT(t)   (1<<((t)-1))
#ifdef ONE            /* only client 0 writes */
#define OPS(c) ((c)==0 -> NOPS : 0)
#elif defined(TWO)    /* with NOPS=2: client 0 writes twice (the second time under its lease), client 1 once */
#define OPS(c) ((c)==0 -> 2 : 1)
#else
#define OPS(c) NOPS
#endif
#define MINE(c)  (((1<<NOPS)-1)<<((c)*NOPS))
#define IN(m,b)  (((m)>>(b))&1)
#define SL(c,b)  ((c)*2+(b))
#define LK(c,a)  ((c)*3+(a))
#define HOME(v)  (IN(vF[v],0) -> 0 : 1)
#define MEMB(v)  (vF[v]|vJ[v])
#define NAMED(v,b) ((b)==0 -> (vI0[v]==inc[0]) : (vI1[v]==inc[1]))
#define SERVES(b) (up[b] && IN(MEMB(iv[b]),b) && NAMED(iv[b],b))
#define REACH(c,b) (link[LK(c,b)] && up[b])
#ifdef FILL            /* healing a joiner (nothing in doubt) goes without a lease on the key */
#define FILLING (sfill)
#define FILLJ(b) IN(vJ[iv[b]],b)
#define SAME ((ch[0]&7)==(ch[1]&7))   /* last writer of the extent */
#ifndef NO_R_REFILL
#define C_FILL (vJ[nv] && !doubt[0] && !doubt[1] && !hard[HOME(nv)])
#else
#define C_FILL (vJ[nv] && !doubt[0] && !doubt[1])
#endif
#else
#define FILLING 0
#define FILLJ(b) 0
#define SAME (ch[0]==ch[1])
#define C_FILL 0
#endif
#ifdef QUORUM
#define MAJ(c)   (REACH(c,0)+REACH(c,1)+link[LK(c,2)] >= 2)
#define FRESH(c) ((rg[0]<=cv[c] || !REACH(c,0)) && (rg[1]<=cv[c] || !REACH(c,1)) && (rg[2]<=cv[c] || !link[LK(c,2)]))
#define CANCAS(c,f) (MAJ(c) && FRESH(c) && (!((f)&1) || REACH(c,0)) && (!((f)&2) || REACH(c,1)))
#else
#define CANCAS(c,f) ((!((f)&1) || REACH(c,0)) && (!((f)&2) || REACH(c,1)) && (!REACH(c,0) || rg[0]<=cv[c]) && (!REACH(c,1) || rg[1]<=cv[c]))
#endif
/* view table: id = number; entry 0 is the first view */
byte vF[MAXV+2], vJ[MAXV+2], vI0[MAXV+2], vI1[MAXV+2];
byte nv;                       /* newest decided view */
/* bricks */
bool up[2]; byte inc[2], iv[2]; byte rg[3];      /* alive, incarnation, installed view, accepted register */
short ch[2], sch[2];                             /* state of the object; as of last sync */
byte known[2], fl[2];                            /* replay table; in-flight journal (bit per txn) */
bool doubt[2], dty[2], rec[2], orec[2];          /* in doubt; D_other; changed in window; own change since own sync */
byte own[2]; bool lse[2];                        /* owner of the key (c+1, 3 = syncer); it is a lease */
bool rst[2], hard[2], seal[2], lmap[2], rmk[2];      /* sealed for promotion; live-write map; D re-marked */
byte cfl[4];                                     /* brick answered "foreign in flight" to this client */
/* links, messages */
bool link[6]; byte rqt[4], rqv[4], rep[4];       /* request slot: txn, view; reply: view+1 in which it was given */
/* clients */
bool dead[2]; byte cv[2], op[2], cur[2], pc[2], lea[2], pr[2], cm[2], av[2]; byte cch[2]; bool vl[2], jok[2];
/* syncer */
byte spc, syv, skn; bool sreg[2], sfill; short sval;
byte nf;                                          /* faults so far */
byte acked, seen;                                 /* ghosts: acknowledged txns; txns returned by reads */
short x, y, z; byte s, i;                            /* scratch, always reset */
inline SETOF(val) { s=0; x=val; do :: x!=0 -> s=s|BIT(x&7); x=x>>3 :: else -> break od; x=0 }
inline PROJ(val,r) { x=val; r=0; i=0; do :: x!=0 -> if :: (acked & BIT(x&7)) -> r=r|((x&7)<<i); i=i+3 :: else fi; x=x>>3 :: else -> break od; x=0; i=0 }
/* I1, I2, I5 on the newest view */
inline CHECK() {
#ifdef COVER /* vacuity check: this MUST be reported as violated */
  assert(!(acked==(1<<(2*NOPS))-1 && nv==MAXV && vF[nv]==3 && iv[0]==nv && iv[1]==nv && !fl[0] && !fl[1])) /* COVER */;
#endif
#ifndef FILL
  if :: IN(vF[nv],0) && NAMED(nv,0) -> SETOF(ch[0]); assert((acked & ~s)==0) /* I1 on A */ :: else fi;
  if :: IN(vF[nv],1) && NAMED(nv,1) -> SETOF(ch[1]); assert((acked & ~s)==0) /* I1 on B */ :: else fi;
  s=0; if :: vF[nv]==3 && NAMED(nv,0) && NAMED(nv,1) ->
        PROJ(ch[0],y); i=0; x=0; PROJ(ch[1],z); assert(y==z) /* I2 */; y=0; z=0
     :: else fi;
#endif
  if :: vF[nv]==3 && NAMED(nv,0) && NAMED(nv,1) && iv[0]==nv && iv[1]==nv && !fl[0] && !fl[1] && !doubt[0] && !doubt[1] && !dty[0] && !dty[1] && spc==0 && !cfl[0] && !cfl[1] && !cfl[2] && !cfl[3] ->
        assert(SAME) /* I5 */
     :: else fi
}
#ifndef NO_R_DOUBTDIRTY
#define C_DOUBTD(b) doubt[b]
#else
#define C_DOUBTD(b) 0
#endif
inline INSTALL(b,w) {
  iv[b]=w; seal[b]=0; sreg[b]=0;
  if :: IN(vF[w],b) && !IN(vF[w],1-b) && (fl[b] || C_DOUBTD(b)) -> dty[b]=1; rmk[b]=1 :: else fi;
  if :: IN(vJ[w],b) -> lmap[b]=0;
#ifndef NO_R_JOINAFTER
        if :: fl[b] -> doubt[b]=1; fl[b]=0 :: else fi   /* joiner: what was in flight before the join is in doubt */
#endif
     :: else fi;
#ifndef NO_R_LEASEVIEW
  own[b]=0; lse[b]=0;
#else
  if :: HOME(w)!=b -> own[b]=0; lse[b]=0 :: else fi;
#endif
  CHECK()
}
inline TOVIEW(c,w) {
  cv[c]=w; pr[c]=0;
#ifndef NO_R_NEWANS
  rep[SL(c,0)]=0; rep[SL(c,1)]=0;
#endif
  cfl[SL(c,0)]=0; cfl[SL(c,1)]=0;
#ifndef NO_R_LEASEVIEW
  lea[c]=0;
#endif
#ifdef QUORUM
  vl[c]=1
#endif
}
inline NEWVIEW(c,f,j) { /* atomic CAS; accepted by whoever of the members is reachable, and the witness */
  nv++; vF[nv]=f; vJ[nv]=j;
  vI0[nv]=(IN(j,0) && !IN(vJ[cv[c]],0) -> inc[0] : vI0[cv[c]]);
  vI1[nv]=(IN(j,1) && !IN(vJ[cv[c]],1) -> inc[1] : vI1[cv[c]]);
  if :: IN(f|j,0) && REACH(c,0) -> rg[0]=nv :: else fi;
  if :: IN(f|j,1) && REACH(c,1) -> rg[1]=nv :: else fi;
#ifdef QUORUM
  if :: link[LK(c,2)] -> rg[2]=nv :: else fi;
#endif
#ifdef FILL  /* equal extents are equal content: forget how the joiner got there */
  if :: f==3 && (ch[0]&7)==(ch[1]&7) -> if :: IN(vJ[cv[c]],0) -> ch[0]=ch[1]; known[0]=known[0]|known[1] :: else -> ch[1]=ch[0]; known[1]=known[1]|known[0] fi :: else fi;
#endif
  TOVIEW(c,nv); CHECK()
}
#ifndef NO_R_NEWANS
#define ANS(c,b) (rep[SL(c,b)]==cv[c]+1)
#else
#define ANS(c,b) (rep[SL(c,b)]!=0)
#endif
#ifdef QUORUM
#define LEASED_OK(c) (vl[c])
#ifndef NO_R_VIEWALL      /* brick b may act in its view once no client holds a view lease on another one */
#define EFFECT(b) (!(vl[0] && cv[0]!=iv[b]) && !(vl[1] && cv[1]!=iv[b]))
#else
#define EFFECT(b) (vF[iv[b]]==3 || (!(vl[0] && cv[0]<iv[b] && vF[cv[0]]!=vF[iv[b]]) && !(vl[1] && cv[1]<iv[b] && vF[cv[1]]!=vF[iv[b]])))
#endif
#else
#define LEASED_OK(c) 1
#define EFFECT(b) 1
#endif
#define FOREIGN(b,c) (fl[b] & ~MINE(c))
#ifdef QUORUM
#define CANEVICT(c,b) 1
#else
#define CANEVICT(c,b) (!REACH(c,b) || !NAMED(cv[c],b))
#endif
inline COMMIT(c,b) {
  cm[c]=cm[c]&~(1<<b);
  if :: !REACH(c,b) -> skip
     :: else ->
        fl[b]=fl[b]&~BIT(cur[c]);
        if :: own[b]==c+1 && !lse[b] -> own[b]=0 :: else fi;
        if :: iv[b]==av[c] && vJ[iv[b]] && IN(vF[iv[b]],b) ->
#ifndef NO_R_JCLEAR
              if :: !jok[c] -> dty[b]=1; rmk[b]=1; hard[b]=1 :: else fi     /* mark of the op itself is the journal entry */
#else
              if :: jok[c] -> dty[b]=0 :: else fi
#endif
           :: else fi
  fi; CHECK()
}
inline JOINMARK(b) { /* brick b joins, 1-b is the full member */
  if :: fl[b] || doubt[b] -> dty[1-b]=1; rmk[1-b]=1 :: else fi;
  if :: !NAMED(cv[c],b) && rec[1-b] -> dty[1-b]=1; rmk[1-b]=1 :: else fi;
#ifndef NO_R_OWNWIN
  if :: !NAMED(cv[c],b) && orec[b] -> dty[1-b]=1; rmk[1-b]=1 :: else fi;
#endif
  orec[b]=0
}
#ifndef NO_R_IMPREC
#define SETREC(o) rec[o]=1
#else
#define SETREC(o) skip
#endif
inline IMPOSE(o,val,kn) {
  SETOF(val);
  i=s; SETOF(ch[o]); assert(iv[o]!=nv || !IN(vF[nv],o) || (acked & s & ~i)==0) /* I6; for a joiner see clearing */; s=0; i=0;
  ch[o]=val; orec[o]=1; sreg[o]=0; SETREC(o); lmap[o]=IN(vJ[iv[o]],o);   /* an imposed state counts as a live write */
#ifndef NO_R_FORGET
  known[o]=kn; fl[o]=0;
#else
  known[o]=known[o]|kn; fl[o]=fl[o]&kn;
#endif
  doubt[o]=0;
#ifndef NO_R_HEALSYNC
  sch[o]=ch[o]; orec[o]=0
#endif
}
#define READABLE(c,b) (REACH(c,b) && iv[b]==cv[c] && IN(vF[cv[c]],b) && NAMED(cv[c],b) && LEASED_OK(c) && !doubt[b] && EFFECT(b) && RDFL(c,b) && (lea[c] || (HOME(cv[c])==b && (own[b]==0 || own[b]==c+1 || (!lse[b] && OWNBUSY))))) 
#ifndef NO_R_RDCOMMIT
#define RDFL(c,b) (!FOREIGN(b,c))
#define OWNBUSY 0
#else
#define RDFL(c,b) 1
#define OWNBUSY 1
#endif
inline READ(c,val,b) {
  SETOF(val);
#ifdef QUORUM
  assert((acked & ~s)==0);   /* I3 */
#endif
#ifdef MONOTONIC
  assert((seen & ~s)==0);    /* I3b: what a read returned does not vanish again */
  seen=seen|(s & ~MINE(c));
#endif
  if :: lea[c] -> cch[c]=s :: else fi;
  s=0
}
#ifndef NO_R_JOINAFTER
#define C_JOINER(c) (REACH(c,1-HOME(cv[c])) && iv[1-HOME(cv[c])]==cv[c] && NAMED(cv[c],1-HOME(cv[c])) && !fl[1-HOME(cv[c])] && !doubt[1-HOME(cv[c])])
#else
#define C_JOINER(c) 1
#endif
#ifndef NO_R_SEAL
#define C_SEAL(c) (!fl[HOME(cv[c])] && !doubt[HOME(cv[c])])
#else
#define C_SEAL(c) 1
#endif
#ifndef NO_R_FOREIGN
#define C_FOREIGN(c,b) (!FOREIGN(b,c))
#else
#define C_FOREIGN(c,b) 1
#endif
#ifndef NO_R_LEASETIME
#define C_LEASETIME(c,b) (!(lea[c] && HOME(cv[c])==b))
#else
#define C_LEASETIME(c,b) 1
#endif
#ifndef NO_R_GRACE
#define GRACE(b,d) (rst[b] && own[b]!=(d)+1 && lea[d] && cv[d]==iv[b] && HOME(cv[d])==b)
#else
#define GRACE(b,d) 0
#endif
#define FREEKEY(b) (own[b]==0 && !fl[b] && !GRACE(b,0) && !GRACE(b,1))
#define C_SOWN (FREEKEY(HOME(nv)) || C_FILL)
proctype Client(byte c) {
  byte b=0;
end: do
  :: d_step { !dead[c] && pc[c]==0 && op[c]<OPS(c) && cm[c]==0 -> pc[c]=1; op[c]++; cur[c]=c*NOPS+op[c]; rep[SL(c,0)]=0; rep[SL(c,1)]=0; jok[c]=0 }
  :: d_step { !dead[c] && pc[c]==1 && rqt[SL(c,0)]==0 && link[LK(c,0)] && up[0] && !ANS(c,0) && !cfl[SL(c,0)] && IN(MEMB(cv[c]),0) && (HOME(cv[c])==0 || lea[c] || ANS(c,HOME(cv[c]))) -> rqt[SL(c,0)]=cur[c]; rqv[SL(c,0)]=cv[c] }
  :: d_step { !dead[c] && pc[c]==1 && rqt[SL(c,1)]==0 && link[LK(c,1)] && up[1] && !ANS(c,1) && !cfl[SL(c,1)] && IN(MEMB(cv[c]),1) && (HOME(cv[c])==1 || lea[c] || ANS(c,HOME(cv[c]))) -> rqt[SL(c,1)]=cur[c]; rqv[SL(c,1)]=cv[c] }
  /* 4. acknowledge: every member of F has answered */
  :: d_step { !dead[c] && pc[c]==1 && (!IN(vF[cv[c]],0) || ANS(c,0)) && (!IN(vF[cv[c]],1) || ANS(c,1)) ->
       pc[c]=0; acked=acked|BIT(cur[c]); cch[c]=cch[c]|BIT(cur[c]); cm[c]=MEMB(cv[c]); av[c]=cv[c];
       jok[c]=(vJ[cv[c]]==0 || (IN(vJ[cv[c]],0) && ANS(c,0)) || (IN(vJ[cv[c]],1) && ANS(c,1))); CHECK() }
  /* 5. commit, brick by brick, any time later */
  :: d_step { !dead[c] && IN(cm[c],0) && (REACH(c,0) || iv[0]!=av[c]) && rqt[SL(c,0)]==0 -> b=0; COMMIT(c,b); b=0 }
  :: d_step { !dead[c] && IN(cm[c],1) && (REACH(c,1) || iv[1]!=av[c]) && rqt[SL(c,1)]==0 -> b=1; COMMIT(c,b); b=0 }
  /* a member stays silent for ever: the commit is dropped with it */
  :: d_step { !dead[c] && cm[c] && cv[c]!=av[c] && !(cm[c] & vF[cv[c]]) -> cm[c]=0 }
  /* recall: home asks the lease back; holder has nothing under way */
  :: d_step { !dead[c] && lea[c] && pc[c]==0 && cm[c]==0 && REACH(c,HOME(cv[c])) -> b=HOME(cv[c]);
       if :: own[b]==c+1 -> own[b]=0; lse[b]=0 :: else fi; lea[c]=0; b=0 }
  /* lease timer of the client; connection reset noticed */
  :: d_step { !dead[c] && lea[c] && cv[c]==iv[HOME(cv[c])] && own[HOME(cv[c])]!=c+1 -> lea[c]=0 }
  :: d_step { !dead[c] && lea[c] && !REACH(c,HOME(cv[c])) -> lea[c]=0 }
  /* learn a newer view from whoever is reachable */
  :: d_step { !dead[c] && REACH(c,0) && rg[0]>cv[c] -> TOVIEW(c,rg[0]) }
  :: d_step { !dead[c] && REACH(c,1) && rg[1]>cv[c] -> TOVIEW(c,rg[1]) }
#ifdef QUORUM
  :: d_step { !dead[c] && link[LK(c,2)] && rg[2]>cv[c] -> TOVIEW(c,rg[2]) }
  :: d_step { !dead[c] && vl[c] && (cv[c]!=nv) -> vl[c]=0 }                      /* view lease runs out */
  :: d_step { !dead[c] && !vl[c] && MAJ(c) && FRESH(c) && cv[c]==nv -> vl[c]=1 } /* and is renewed */
#endif
  /* hand the record to a brick that is behind */
  :: d_step { !dead[c] && REACH(c,0) && iv[0]<cv[c] -> rg[0]=(rg[0]>cv[c]->rg[0]:cv[c]); INSTALL(0,cv[c]) }
  :: d_step { !dead[c] && REACH(c,1) && iv[1]<cv[c] -> rg[1]=(rg[1]>cv[c]->rg[1]:cv[c]); INSTALL(1,cv[c]) }
  /* section 3: eviction. Survivor says: alive, in view v, my incarnation */
  :: d_step { !dead[c] && nv<MAXV && IN(MEMB(cv[c]),0) && IN(vF[cv[c]],1) && CANEVICT(c,0) && CANCAS(c,2) && iv[1]==cv[c] && NAMED(cv[c],1) && nv==cv[c] -> NEWVIEW(c,2,0) }
  :: d_step { !dead[c] && nv<MAXV && IN(MEMB(cv[c]),1) && IN(vF[cv[c]],0) && CANEVICT(c,1) && CANCAS(c,1) && iv[0]==cv[c] && NAMED(cv[c],0) && nv==cv[c] -> NEWVIEW(c,1,0) }
  /* section 4.1/4.2: join; the F member adds what the joiner reports */
  :: d_step { !dead[c] && nv<MAXV && MEMB(cv[c])==2 && REACH(c,0) && CANCAS(c,2) && iv[1]==cv[c] && NAMED(cv[c],1) && nv==cv[c] -> JOINMARK(0); NEWVIEW(c,2,1) }
  :: d_step { !dead[c] && nv<MAXV && MEMB(cv[c])==1 && REACH(c,1) && CANCAS(c,1) && iv[0]==cv[c] && NAMED(cv[c],0) && nv==cv[c] -> JOINMARK(1); NEWVIEW(c,1,2) }
  /* section 4.4: promotion, check then CAS */
  :: d_step { !dead[c] && pr[c]==0 && vJ[cv[c]] && nv<MAXV && REACH(c,HOME(cv[c])) && iv[HOME(cv[c])]==cv[c] && NAMED(cv[c],HOME(cv[c])) && dty[HOME(cv[c])]==0 && C_JOINER(c) && C_SEAL(c) -> pr[c]=1;
#ifndef NO_R_SEAL
      seal[HOME(cv[c])]=1; seal[1-HOME(cv[c])]=1
#endif
     }
  :: d_step { !dead[c] && pr[c] && vJ[cv[c]] && nv<MAXV && nv==cv[c] && CANCAS(c,3) && NAMED(cv[c],0) && NAMED(cv[c],1) && iv[HOME(cv[c])]==cv[c] -> NEWVIEW(c,3,0) }
  /* conflict answer: the owner of the key imposes home's state on that brick, then repeats its operation there */
  :: d_step { !dead[c] && pc[c]==1 && cfl[SL(c,0)] && HOME(cv[c])==1 && REACH(c,0) && REACH(c,1) && iv[0]==cv[c] && iv[1]==cv[c] && NAMED(cv[c],0) && NAMED(cv[c],1) -> cfl[SL(c,0)]=0;
       if :: own[1]==c+1 && (known[1]&BIT(cur[c])) -> IMPOSE(0,ch[1],known[1]); fl[0]=fl[0]|BIT(cur[c]) :: else fi; CHECK() }
  :: d_step { !dead[c] && pc[c]==1 && cfl[SL(c,1)] && HOME(cv[c])==0 && REACH(c,0) && REACH(c,1) && iv[0]==cv[c] && iv[1]==cv[c] && NAMED(cv[c],0) && NAMED(cv[c],1) -> cfl[SL(c,1)]=0;
       if :: own[0]==c+1 && (known[0]&BIT(cur[c])) -> IMPOSE(1,ch[0],known[0]); fl[1]=fl[1]|BIT(cur[c]) :: else fi; CHECK() }
#ifdef READS
  /* section 5: reads. from home; from any full member or the own cache under a lease */
  :: d_step { !dead[c] && READABLE(c,0) -> b=0; READ(c,ch[b],b); b=0 }
  :: d_step { !dead[c] && READABLE(c,1) -> b=1; READ(c,ch[b],b); b=0 }
#ifdef QUORUM
  :: d_step { !dead[c] && lea[c] && LEASED_OK(c) && pc[c]==0 && cch[c] && (acked & ~cch[c]) -> assert((acked & ~cch[c])==0) /* I3, cached read under a lease */ }
#endif
#endif
#ifdef F_DIE
  :: d_step { !dead[c] && nf<MAXF -> nf++; dead[c]=1; vl[c]=0; lea[c]=0; pr[c]=0; cfl[SL(c,0)]=0; cfl[SL(c,1)]=0; cm[c]=0 }
#endif
  od
}
#define OTHERBUSY(b,c) (GRACE(b,1-(c)) || (own[b]!=0 && own[b]!=c+1) || BUSYFL(b,c))
#ifndef NO_R_BUSY
#define BUSYFL(b,c) (FOREIGN(b,c))
#else
#define BUSYFL(b,c) 0
#endif
#define T(c,b) rqt[SL(c,b)]
#define MSG(c,b) (up[b] && T(c,b))
#define CUR_OK(c,b) (rqv[SL(c,b)]==iv[b] && SERVES(b))
inline ANSWER(c,b) { if :: link[LK(c,b)] && !dead[c] && rqt[SL(c,b)]==cur[c] && rqv[SL(c,b)]==cv[c] -> rep[SL(c,b)]=rqv[SL(c,b)]+1 :: else fi; rqt[SL(c,b)]=0; rqv[SL(c,b)]=0 }
inline EXEC(c,b) {
  SETOF(ch[b]); 
  assert(!(s & BIT(T(c,b))) || FILLJ(b)); s=0;   /* I4 */
  if :: IN(vF[iv[b]],b) && vF[iv[b]]!=3 -> 
#ifndef NO_R_JCLEAR
        if :: vJ[iv[b]]==0 -> dty[b]=1; rmk[b]=1 :: else -> rmk[b]=1 fi   /* with a joiner the journal entry is the mark until commit */
#else
        dty[b]=1; rmk[b]=1
#endif
     :: else fi;
  fl[b]=fl[b]|BIT(T(c,b)); known[b]=known[b]|BIT(T(c,b)); 
  ch[b]=(ch[b]<<3)|T(c,b); rec[b]=1; orec[b]=1; sreg[b]=0;
  if :: IN(vJ[iv[b]],b) -> lmap[b]=1 :: else fi;
  ANSWER(c,b); CHECK()
}
#ifndef NO_R_GRANT
#define NEWGRANT(c,b) rep[SL(c,1-(b))]=0
#else
#define NEWGRANT(c,b) skip
#endif
/* one client's request at one brick */
proctype Serve(byte c; byte b) {
end: do
  :: d_step { MSG(c,b) && !CUR_OK(c,b) -> rqt[SL(c,b)]=0; rqv[SL(c,b)]=0 }                 /* refused */
  :: d_step { MSG(c,b) && CUR_OK(c,b) && (known[b] & BIT(T(c,b))) && !(doubt[b]) && !seal[b] && EFFECT(b) ->
       if :: HOME(iv[b])==b && own[b]==0 -> own[b]=c+1; lse[b]=0; NEWGRANT(c,b) :: else fi; fl[b]=fl[b]|BIT(T(c,b)); sreg[b]=0; ANSWER(c,b); CHECK() }        /* replay */
  :: atomic { MSG(c,b) && CUR_OK(c,b) && !(known[b] & BIT(T(c,b))) && !doubt[b] && !seal[b] && EFFECT(b) && HOME(iv[b])==b && !OTHERBUSY(b,c) ->
       if :: own[b]==0 -> own[b]=c+1; lse[b]=0; NEWGRANT(c,b);
             if :: true -> skip :: link[LK(c,b)] && !dead[c] && cv[c]==iv[b] -> lse[b]=1; lea[c]=1; 
                   d_step { SETOF(ch[b]); cch[c]=s; s=0 } fi
          :: else -> skip fi;
       d_step { EXEC(c,b) } }
  :: d_step { MSG(c,b) && CUR_OK(c,b) && !(known[b] & BIT(T(c,b))) && !doubt[b] && !seal[b] && EFFECT(b) && HOME(iv[b])!=b && C_FOREIGN(c,b) -> EXEC(c,b) }
#ifndef NO_R_FOREIGN
  :: d_step { MSG(c,b) && CUR_OK(c,b) && !(known[b] & BIT(T(c,b))) && !seal[b] && HOME(iv[b])!=b && (FOREIGN(b,c) || doubt[b]) ->
       if :: link[LK(c,b)] && !dead[c] && rqt[SL(c,b)]==cur[c] && cv[c]==iv[b] && pc[c]==1 -> cfl[SL(c,b)]=1 :: else fi; rqt[SL(c,b)]=0; rqv[SL(c,b)]=0 }
#endif
  /* session of c ends at b: link down or client dead, grace over */
  :: d_step { up[b] && (dead[c] || !link[LK(c,b)]) && (rqt[SL(c,b)] || (fl[b]&MINE(c)) || own[b]==c+1) && C_LEASETIME(c,b) -> rqt[SL(c,b)]=0; rqv[SL(c,b)]=0;
      if :: fl[b]&MINE(c) -> doubt[b]=1; fl[b]=fl[b]&~MINE(c); if :: vF[iv[b]]!=3 && IN(vF[iv[b]],b) -> dty[b]=1; rmk[b]=1; hard[b]=1 :: else fi :: else fi;
      if :: own[b]==c+1 -> own[b]=0; lse[b]=0 :: else fi; CHECK() }
  od
}
#define SH HOME(syv)
#define SO (1-HOME(syv))
#ifndef NO_R_REG
#define C_REG(b) (sreg[b])
#else
#define C_REG(b) 1
#endif
inline SRESET() { if :: own[SH]==3 -> own[SH]=0 :: else fi; spc=0; sreg[0]=0; sreg[1]=0; syv=0; sval=0; skn=0; sfill=0 }
proctype Syncer() {
end: do
  /* start: something in doubt or dirty in the newest view: own the key at home */
  :: d_step { spc==0 && up[HOME(nv)] && iv[HOME(nv)]==nv && NAMED(nv,HOME(nv)) && EFFECT(HOME(nv)) && (doubt[HOME(nv)] || (MEMB(nv)==3 && (doubt[1-HOME(nv)] || dty[HOME(nv)]))) && C_SOWN ->
       syv=nv; spc=1; rmk[SH]=0;
       if :: C_FILL -> sfill=1 :: else -> own[SH]=3 fi
     }
  /* compare: the target notes that this key is open for this healer (sreg) */
  :: d_step { spc==1 && MEMB(syv)!=3 -> spc=2 }
  :: d_step { spc==1 && MEMB(syv)==3 && up[SO] && iv[SO]==syv && NAMED(syv,SO) -> sreg[SO]=1; spc=2 }
  :: d_step { spc==2 && up[SH] && iv[SH]==syv && NAMED(syv,SH) -> sval=ch[SH]; skn=known[SH]; spc=(MEMB(syv)==3 -> 3 : 4) }
  /* impose home's state, or fill */
  :: d_step { spc==3 && FILLING && up[SO] && iv[SO]==syv && NAMED(syv,SO) -> spc=4;
       if :: spc==4 && !lmap[SO] -> ch[SO]=sval; sch[SO]=sval :: else fi; CHECK() }
  :: d_step { spc==3 && !FILLING && up[SO] && iv[SO]==syv && NAMED(syv,SO) ->
       if :: C_REG(SO) -> IMPOSE(SO,sval,skn); spc=4 :: else -> spc=5 fi; CHECK() }
  /* clear the marks */
  :: d_step { spc==4 && up[SH] && iv[SH]==syv && NAMED(syv,SH) ->
#ifndef NO_R_DGEN
       if :: rmk[SH] -> spc=5 :: else fi;
#endif
       if :: spc==4 && MEMB(syv)==3 && iv[SO]==syv && NAMED(syv,SO) && !fl[SH] && !fl[SO] && !doubt[SO] -> assert(SAME) /* I6 for a joiner: healed means as home */ :: else fi;
       if :: spc==4 -> if :: !FILLING -> doubt[SH]=0 :: else fi; if :: MEMB(syv)==3 -> dty[SH]=0; if :: !FILLING -> hard[SH]=0 :: else fi :: else fi :: else fi;
       SRESET(); CHECK() }
  /* view moved on, or something changed under it: give up, start again */
  :: d_step { spc && (syv!=nv || spc==5) -> SRESET() }
#ifdef F_SYNC
  /* home ends the syncer's session while its message to the other brick is still under way */
  :: d_step { spc==3 && own[SH]==3 && nf<MAXF -> nf++; own[SH]=0 }
#endif
  od
}
#ifndef NO_R_WINCOMMIT
#define C_COMMITTED(b) (!fl[b] && !doubt[b])
#else
#define C_COMMITTED(b) 1
#endif
#ifndef NO_R_SEALDUR
#define DROPSEAL(b) skip
#else
#define DROPSEAL(b) seal[b]=0
#endif
inline DROPCONN(b) { rqt[SL(0,b)]=0; rqt[SL(1,b)]=0; rqv[SL(0,b)]=0; rqv[SL(1,b)]=0; own[b]=0; lse[b]=0; rst[b]=1; lmap[b]=0; sreg[b]=0; DROPSEAL(b) }
#if defined(QUORUM) || defined(FORK)
#define NOFORK(c,b) 1
#else
#define NOFORK(c,b) (link[LK(1-(c),1-(b))])   /* in mode none: never C1 without A while C2 is without B */
#endif
proctype Env() {
  byte b=0;
end: do
#ifdef F_PC
  :: atomic { nf<MAXF -> if :: up[0] -> b=0 :: up[1] -> b=1 fi; d_step { nf++; up[b]=0; DROPCONN(b);
#ifdef NO_R_REPLAY
       known[b]=0;
#endif
       b=0 } }
#endif
#ifdef F_HC
  :: atomic { nf<MAXF -> if :: up[0] -> b=0 :: up[1] -> b=1 fi; nf++; up[b]=0; DROPCONN(b); inc[b]++;
       if :: true -> skip                       /* everything had reached the disk */
          :: ch[b]!=sch[b] -> ch[b]=sch[b]; orec[b]=0  /* unsynced change gone, and with it every trace (ctime) that there was one */
          :: (ch[b]>>3)>sch[b] -> ch[b]=ch[b]>>3 fi;
       if :: true -> skip :: fl[b] && orec[b] -> fl[b]=0 fi;  /* journal page lost although data page was written (a sync writes both) */
       d_step { SETOF(ch[b]); known[b]=s; s=0; fl[b]=fl[b]&known[b]; sch[b]=ch[b]; rec[b]=0; b=0; CHECK() } }
  :: d_step { (up[0] && sch[0]!=ch[0]) || (up[1] && sch[1]!=ch[1]) || rec[0] || rec[1] ->    /* durability window passes */
       if :: up[0] -> sch[0]=ch[0]; if :: NAMED(nv,0) -> orec[0]=0 :: else fi :: else fi;
       if :: up[1] -> sch[1]=ch[1]; if :: NAMED(nv,1) -> orec[1]=0 :: else fi :: else fi;
#ifndef NO_R_WINDOW
       if :: up[1] && NAMED(nv,1) && IN(MEMB(nv),1) && C_COMMITTED(0) -> rec[0]=0 :: else fi;
       if :: up[0] && NAMED(nv,0) && IN(MEMB(nv),0) && C_COMMITTED(1) -> rec[1]=0 :: else fi
#else
       rec[0]=0; rec[1]=0
#endif
     }
#endif
#if defined(F_PC) || defined(F_HC)
  :: d_step { !up[0] -> up[0]=1 } :: d_step { !up[1] -> up[1]=1 }
#endif
#ifdef F_LINK
  :: atomic { nf<MAXF -> if :: link[LK(0,0)] && NOFORK(0,0) -> b=LK(0,0) :: link[LK(0,1)] && NOFORK(0,1) -> b=LK(0,1) :: link[LK(1,0)] && NOFORK(1,0) -> b=LK(1,0) :: link[LK(1,1)] && NOFORK(1,1) -> b=LK(1,1) fi; nf++; link[b]=0; b=0 }
  :: d_step { !link[LK(0,0)] -> link[LK(0,0)]=1 } :: d_step { !link[LK(0,1)] -> link[LK(0,1)]=1 }
  :: d_step { !link[LK(1,0)] -> link[LK(1,0)]=1 } :: d_step { !link[LK(1,1)] -> link[LK(1,1)]=1 }
#endif
  :: false -> skip od
}
init { d_step {
  vF[0]=3; up[0]=1; up[1]=1; link[0]=1; link[1]=1; link[2]=1; link[3]=1; link[4]=1; link[5]=1;
#ifdef QUORUM
  vl[0]=1; vl[1]=1;
#endif
  } atomic { run Client(0); run Client(1); run Serve(0,0); run Serve(0,1); run Serve(1,0); run Serve(1,1); run Syncer(); run Env() } }
