throw new Error('not for this machine');
